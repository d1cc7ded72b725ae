// The map: grey context, each sample coloured by its cluster, trails from its clean place to where it is now.

const GLIDE = 140; // milliseconds a point takes to its new place
const PAD = 14;
const THUMB = 22; // pixels of a picture in place of a dot
const REACH = 14; // pixels within which the pointer catches a point

function createMap(panel, stage) {
  const canvas = el("canvas", { role: "img" });
  const tip = el("div", { class: "tip", hidden: "" });
  const legend = el("p", { class: "legend" });
  const note = el("p", { class: "note" });
  const frameBox = el("div", { class: "map" }, canvas, tip);
  const thumbs = el("button", { type: "button", "aria-pressed": "false", title: "Show the clean pictures instead of dots" }, "Pictures");
  panel.tools?.append(thumbs);
  const key = el("p", { class: "key" });
  panel.append(key, frameBox, legend, note);
  let scene, colors, context, backdrop, now, from, to, width, height;
  let began = 0, request = 0, frame = 0, chosen = null, loop = null, sprites = [];

  const px = (v) => PAD + (v / 65535) * (width - 2 * PAD);
  const py = (v) => height - PAD - (v / 65535) * (height - 2 * PAD);

  function resize() {
    const box = canvas.getBoundingClientRect();
    if (!scene || box.width < 10) return;
    [width, height] = [box.width, box.height];
    context = fitCanvas(canvas, width, height);
    paintBackdrop();
    draw();
  }

  function paintBackdrop() {
    backdrop = document.createElement("canvas");
    const c = fitCanvas(backdrop, width, height);
    c.fillStyle = colors.neutral;
    c.globalAlpha = 0.28;
    for (let i = 0; i < scene.reference.length; i += 2) {
      c.fillRect(px(scene.reference[i]) - 1, py(scene.reference[i + 1]) - 1, 2.2, 2.2);
    }
  }

  function mark(c, sample, x, y, moved) {
    if (sprites.length) {
      c.drawImage(sprites[sample], x - THUMB / 2, y - THUMB / 2, THUMB, THUMB);
      c.strokeStyle = c.fillStyle;
      c.lineWidth = moved ? 3 : 1.5;
      return c.strokeRect(x - THUMB / 2, y - THUMB / 2, THUMB, THUMB);
    }
    c.beginPath();
    if (moved) { c.moveTo(x, y - 6); c.lineTo(x + 6, y); c.lineTo(x, y + 6); c.lineTo(x - 6, y); c.closePath(); }
    else c.arc(x, y, 4, 0, 2 * Math.PI);
    c.fill();
    c.stroke();
  }

  function draw() {
    if (!context || now?.length !== 2 * scene.n) return;
    const c = context;
    c.clearRect(0, 0, width, height);
    c.drawImage(backdrop, 0, 0, width, height);
    const order = Array.from({ length: scene.n }, (_, i) => i);
    order.sort((a, b) => hasMoved(scene, frame, a) - hasMoved(scene, frame, b));
    const shade = (i) => (chosen && !chosen.has(i) ? 0.12 : 1);
    c.lineWidth = 1.2;
    for (const i of order) {
      if (!hasMoved(scene, frame, i)) continue;
      c.globalAlpha = 0.38 * shade(i);
      c.strokeStyle = clusterColor(scene, clusterAt(scene, frame, i));
      c.beginPath();
      c.moveTo(px(scene.points[2 * i]), py(scene.points[2 * i + 1]));
      c.lineTo(px(now[2 * i]), py(now[2 * i + 1]));
      c.stroke();
    }
    c.lineWidth = 1;
    for (const i of order) {
      c.globalAlpha = shade(i);
      c.fillStyle = clusterColor(scene, clusterAt(scene, frame, i));
      c.strokeStyle = colors.background;
      mark(c, i, px(now[2 * i]), py(now[2 * i + 1]), hasMoved(scene, frame, i));
    }
    c.globalAlpha = 1;
    drawNames(c, scene, colors, { px, py, width });
    for (const i of new Set([stage.selected, stage.hovered])) if (i !== null) highlight(c, i);
    if (loop) drawLoop(c);
  }

  function drawLoop(c) {
    c.strokeStyle = colors.text;
    c.lineWidth = 1.5;
    c.setLineDash([5, 4]);
    c.beginPath();
    loop.forEach(([x, y]) => c.lineTo(x, y));
    c.closePath();
    c.stroke();
    c.setLineDash([]);
  }

  // The whole path of one sample, every ε so far, and a ring at its place.
  function highlight(c, i) {
    c.strokeStyle = colors.text;
    c.fillStyle = colors.text;
    c.lineWidth = 2;
    c.beginPath();
    for (let f = 0; f <= frame; f++) {
      const at = 2 * (f * scene.n + i);
      const [x, y] = f === frame ? [now[2 * i], now[2 * i + 1]] : [scene.points[at], scene.points[at + 1]];
      c.lineTo(px(x), py(y));
    }
    c.stroke();
    c.beginPath();
    c.arc(px(now[2 * i]), py(now[2 * i + 1]), 9, 0, 2 * Math.PI);
    c.lineWidth = 3;
    c.stroke();
  }

  function step(time) {
    const share = Math.min(1, (time - began) / GLIDE);
    const eased = 1 - (1 - share) ** 3;
    for (let i = 0; i < to.length; i++) now[i] = from[i] + (to[i] - from[i]) * eased;
    draw();
    request = share < 1 ? requestAnimationFrame(step) : 0;
  }

  function go(next, rows) {
    [frame, chosen] = [next, rows];
    to = scene.points.subarray(2 * frame * scene.n, 2 * (frame + 1) * scene.n);
    const still = !now || now.length !== to.length || matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still) now = Float32Array.from(to);
    from = Float32Array.from(now);
    began = performance.now();
    if (!request) request = requestAnimationFrame(step);
    const moved = Array.from({ length: scene.n }, (_, i) => hasMoved(scene, frame, i)).filter(Boolean).length;
    canvas.setAttribute("aria-label", `Map of ${scene.n} samples, ${moved} moved to another cluster. ${scene.map}.`);
  }

  function nearest(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null, least = REACH ** 2;
    for (let i = 0; now && i < scene.n; i++) {
      const far = (px(now[2 * i]) - x) ** 2 + (py(now[2 * i + 1]) - y) ** 2;
      if (far < least && !(chosen && !chosen.has(i))) [best, least] = [i, far];
    }
    return best;
  }

  // Rows of the samples inside the loop, by the even-odd rule.
  function inside() {
    const rows = [];
    for (let i = 0; i < scene.n; i++) {
      const [x, y] = [px(now[2 * i]), py(now[2 * i + 1])];
      let within = false;
      for (let a = 0, b = loop.length - 1; a < loop.length; b = a++) {
        const [[xa, ya], [xb, yb]] = [loop[a], loop[b]];
        if ((ya > y) !== (yb > y) && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) within = !within;
      }
      if (within) rows.push(i);
    }
    return rows;
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.onpointerdown = (event) => {
    if (!stage.lasso || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    loop = [at(event)];
  };
  canvas.onpointermove = (event) => {
    if (!loop) return stage.hover(nearest(event));
    loop.push(at(event));
    if (loop.length > 3) { stage.hover(null); draw(); }
  };
  canvas.onpointerup = (event) => {
    const drawn = loop;
    const reach = drawn ? Math.max(...drawn.map(([x, y]) => Math.hypot(x - drawn[0][0], y - drawn[0][1]))) : 0;
    if (reach > REACH) {
      const rows = inside();
      loop = null;
      if (rows.length) stage.lasso(rows);
    } else {
      loop = null;
      const sample = nearest(event);
      if (sample !== null || stage.selected !== null) stage.select(sample);
    }
    draw();
  };
  canvas.onpointercancel = () => { loop = null; draw(); };
  canvas.onpointerleave = () => stage.hover(null);
  thumbs.onclick = () => {
    const on = thumbs.getAttribute("aria-pressed") !== "true";
    thumbs.setAttribute("aria-pressed", String(on));
    sprites = on ? Array.from({ length: scene.n }, (_, i) => thumb(scene, i)) : [];
    draw();
  };
  const watcher = new ResizeObserver(resize);
  watcher.observe(canvas);

  function tell(sample) {
    tip.hidden = sample === null;
    if (sample === null || !now) return;
    const [x, y] = [px(now[2 * sample]), py(now[2 * sample + 1])];
    tip.replaceChildren(...tipContent(scene, frame, sample));
    tip.style.left = `${Math.max(4, Math.min(width - tip.offsetWidth - 4, x + 16))}px`;
    tip.style.top = `${Math.max(4, Math.min(height - tip.offsetHeight - 4, y - tip.offsetHeight / 2))}px`;
  }

  function build(nextScene, nextColors) {
    if (sprites.length && scene !== nextScene) sprites = Array.from({ length: nextScene.n }, (_, i) => thumb(nextScene, i));
    [scene, colors] = [nextScene, nextColors];
    setText(key, `● stayed, ◆ moved, with the trail from its clean place.${stage.lasso ? " Drag around points to select them." : ""}`);
    thumbs.hidden = !scene.thumbs;
    note.textContent = `Grey: other clean samples. ${scene.map}.`;
    const swatch = (k) => el("span", {}, el("i", { style: `background:${clusterColor(scene, k)}` }), scene.clusters[k]);
    legend.replaceChildren("Cluster ", ...scene.columns.slice(0, 12).map(swatch), scene.columns.length > 12 ? "…" : "");
    resize();
  }

  return { build, go, redraw: draw, tell, canvas, destroy: () => { watcher.disconnect(); cancelAnimationFrame(request); } };
}

function tipContent(scene, frame, sample) {
  const [before, after] = [scene.assigned[sample], clusterAt(scene, frame, sample)].map((k) => scene.clusters[k]);
  const sure = Math.round((scene.confidence[frame * scene.n + sample] / 255) * 100);
  const place = scene.rank.get(sample);
  const nodes = [];
  if (place !== undefined) {
    const colors = divergingTable(scene, scene.reach[frame]);
    scene.views.forEach((_, view) => {
      const row = pixelRow(scene, view);
      fillRow(scene, view, place, frame, row, colors);
      const canvas = el("canvas", { width: row.image.width, height: row.image.height });
      canvas.getContext("2d").putImageData(row.image, 0, 0);
      nodes.push(canvas);
    });
  } else if (scene.thumbs) nodes.push(thumb(scene, sample));
  nodes.push(el("b", {}, before === after ? `cluster ${before}` : `${before} → ${after}`));
  nodes.push(el("span", {}, `label ${scene.classes[scene.labels[sample]]}, confidence ${sure} %, sample ${scene.index[sample]}`));
  return nodes;
}
