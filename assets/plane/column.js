// A training in its two planes: the points with the regions of the classes, and their features with centres and border.

const CELLS = 90; // a side of the regions' picture
const TALLEST = 640;

function createColumn(stage) {
  const node = el("section", { class: "column" });
  const title = el("h3"), state = el("p", { class: "note" }), words = el("p", { class: "finding", "aria-live": "polite" });
  const canvas = el("canvas", { tabindex: "0", role: "application" });
  const inner = el("canvas", { role: "img" });
  const tools = el("span", { class: "tools exports" });
  const caption = el("p", { class: "note" });
  node.append(el("div", { class: "title" }, title, tools), state, canvas, words, el("h4", {}, "Where the network puts the points: its features"), inner, caption);
  const picture = el("canvas", { width: CELLS, height: CELLS });
  const column = { node };
  let scene, run, frame, network, colors, size = 300, regionsOf = "";

  const png = el("button", { type: "button", title: "Points and regions as PNG" }, "PNG");
  png.onclick = () => saveCanvas(canvas, `${scene.identity}-${run.model}`);
  tools.append(png);

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const clip = (share) => Math.max(0, Math.min(1, share));
    return [clip((event.clientX - box.left) / box.width), 1 - clip((event.clientY - box.top) / box.height)];
  };
  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    stage.move(place(event));
  };
  canvas.onpointermove = (event) => { if (canvas.hasPointerCapture(event.pointerId)) stage.move(place(event)); };
  canvas.onpointerup = () => stage.rest();
  canvas.onkeydown = (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 0.05 : 0.01;
    stage.move(stage.point.map((value, i) => Math.max(0, Math.min(1, value + far * way[i]))));
    stage.rest();
    event.preventDefault();
    event.stopPropagation();
  };

  const constant = () => run.bounds[frame] || run.steepest[frame];
  const isProven = () => run.bounds[frame] > 0;

  function regions() {
    const key = `${run.key}-${frame}-${colors.dark}`;
    if (regionsOf === key) return;
    regionsOf = key;
    const image = new ImageData(CELLS, CELLS);
    const pixels = new Uint32Array(image.data.buffer);
    const blend = (hex) => pack32(rgb(hex).map((value, i) => Math.round(value * 0.34 + colors.paper[i] * 0.66)));
    const fills = scene.palette.map(blend);
    for (let row = 0; row < CELLS; row++) {
      for (let i = 0; i < CELLS; i++) {
        pixels[row * CELLS + i] = fills[network.at((i + 0.5) / CELLS, 1 - (row + 0.5) / CELLS) > 0 ? 1 : 0];
      }
    }
    picture.getContext("2d").putImageData(image, 0, 0);
  }

  function dot(context, x, y, label, radius = 3.2) {
    context.beginPath();
    if (label) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    else context.arc(x, y, radius, 0, 7);
    context.fillStyle = scene.palette[label];
    context.fill();
    context.strokeStyle = colors.background;
    context.lineWidth = 0.8;
    context.stroke();
  }

  function ring(context, x, y, radius, color, width, dash) {
    context.beginPath();
    context.setLineDash(dash);
    context.arc(x, y, radius, 0, 7);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
    context.setLineDash([]);
  }

  function drawPoints(flip, radius) {
    const context = fitCanvas(canvas, size, size);
    regions();
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, 0, 0, size, size);
    const dash = isProven() ? [] : [3, 3];
    for (let i = 0; i < scene.n; i++) {
      const [x, y] = [scene.points[2 * i] * size, (1 - scene.points[2 * i + 1]) * size];
      const reach = Math.max(0, run.distances[frame * scene.n + i]) / constant();
      if (reach * size > 0.5) ring(context, x, y, reach * size, `${colors.neutral}66`, 0.8, dash);
    }
    for (let i = 0; i < scene.n; i++) {
      dot(context, scene.points[2 * i] * size, (1 - scene.points[2 * i + 1]) * size, scene.labels[i]);
    }
    const [px, py] = [stage.point[0] * size, (1 - stage.point[1]) * size];
    ring(context, px, py, radius * size, colors.clean, 2.5, dash);
    if (flip) {
      const [fx, fy] = [flip.x * size, (1 - flip.y) * size];
      context.beginPath();
      context.moveTo(px, py);
      context.lineTo(fx, fy);
      context.strokeStyle = colors.adversarial;
      context.lineWidth = 2.5;
      context.stroke();
      ring(context, fx, fy, 5, colors.adversarial, 2.5, []);
    }
    ring(context, px, py, 6, colors.text, 2.5, []);
    context.beginPath();
    context.arc(px, py, 2.5, 0, 7);
    context.fillStyle = colors.text;
    context.fill();
  }

  function drawFeatures() {
    const height = Math.round(size * 0.62);
    const context = fitCanvas(inner, size, height);
    const all = Array.from({ length: scene.n }, (_, i) => network.features(scene.points[2 * i], scene.points[2 * i + 1]));
    const mine = network.features(...stage.point);
    const centres = [0, 1].map((c) => [run.centres[frame * 4 + 2 * c], run.centres[frame * 4 + 2 * c + 1]]);
    const every = [...all, mine, ...centres];
    const [lows, highs] = [Math.min, Math.max].map((pick) => [0, 1].map((k) => pick(...every.map((f) => f[k]))));
    const span = Math.max((highs[0] - lows[0]) / (size - 50), (highs[1] - lows[1]) / (height - 50), 1e-12);
    const middle = [0, 1].map((k) => (lows[k] + highs[k]) / 2);
    const to = ([a, b]) => [size / 2 + (a - middle[0]) / span, height / 2 - (b - middle[1]) / span];
    const [first, second] = centres.map(to);
    const half = [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2];
    const long = Math.hypot(second[0] - first[0], second[1] - first[1]) || 1;
    const along = [-(second[1] - first[1]) / long, (second[0] - first[0]) / long].map((v) => v * (size + height));
    context.beginPath();
    context.moveTo(half[0] - along[0], half[1] - along[1]);
    context.lineTo(half[0] + along[0], half[1] + along[1]);
    context.strokeStyle = colors.text;
    context.lineWidth = 1.5;
    context.stroke();
    all.forEach((feature, i) => dot(context, ...to(feature), scene.labels[i], 2.6));
    centres.forEach((centre, c) => {
      const [x, y] = to(centre);
      for (const [color, width] of [[colors.background, 7], [scene.palette[c], 4]]) {
        context.beginPath();
        context.moveTo(x - 9, y);
        context.lineTo(x + 9, y);
        context.moveTo(x, y - 9);
        context.lineTo(x, y + 9);
        context.strokeStyle = color;
        context.lineWidth = width;
        context.stroke();
      }
    });
    ring(context, ...to(mine), 6, colors.text, 2.5, []);
  }

  function draw() {
    const signed = network.at(...stage.point);
    const radius = Math.abs(signed) / constant();
    const flip = network.nearestFlip(...stage.point);
    drawPoints(flip, radius);
    drawFeatures();
    const name = scene.class_names[signed > 0 ? 1 : 0];
    const certified = `${isProven() ? "certified" : "estimated, not certified"} radius ${radius.toFixed(3)}`;
    const found = flip ? `the nearest flip found is at ${flip.distance.toFixed(3)}` : "no flip was found near";
    setText(words, `The point is in “${name}”: ${certified}, ${found}.`);
    Object.assign(node.dataset, { radius: radius.toFixed(5), flip: flip ? flip.distance.toFixed(5) : "", frame: String(frame), proven: String(isProven()) });
    canvas.setAttribute("aria-label", `${run.title}: points of two classes on their regions. A point to move, by dragging or with the arrow keys. ${words.textContent}`);
    inner.setAttribute("aria-label", `${run.title}: the features of the points, the two centres as crosses, and the border between them.`);
  }

  column.show = (nextScene, nextRun, nextFrame, nextColors) => {
    [scene, run, colors] = [nextScene, nextRun, nextColors];
    frame = Math.min(nextFrame, run.frames - 1);
    size = Math.max(200, Math.min(TALLEST, node.clientWidth - 2));
    const weights = run.weights.subarray(frame * WEIGHTS, (frame + 1) * WEIGHTS);
    network = createNetwork(weights, run.centres.subarray(frame * 4, frame * 4 + 4));
    setText(title, run.title);
    setText(state, `${run.phases[frame]}, epoch ${run.epochs[frame]} · ${(100 * run.accuracy[frame]).toFixed(1)} % of held-out points right`);
    const how = isProven() ? "proven for the unit square" : "the steepest place found on a grid, which is no proof; the last epoch has one";
    setText(caption, `Crosses are the centres, the line is the border between them (Voronoi). Lipschitz constant ${constant().toPrecision(3)}: ${how}.`);
    draw();
  };
  column.redraw = draw;
  return column;
}
