// The way of each followed sample on the map, iteration by iteration: ○ clean, ✕ where it crosses, ● where it is.

const PAD = 16;
const REACH = 16; // pixels within which a click catches an iteration

function createPath(panel, stage) {
  const canvas = el("canvas", { role: "img" });
  const note = el("p", { class: "note" });
  panel.append(el("p", { class: "key" }, "○ clean, ✕ crosses, ● now; dotted: still to come"), el("div", { class: "map" }, canvas), note);
  let scene, colors, context, width = 0, height = 0, frame = 0, active = 0;

  const px = (v) => PAD + (v / 65535) * (width - 2 * PAD);
  const py = (v) => height - PAD - (v / 65535) * (height - 2 * PAD);
  const place = (f, sample) => {
    const at = 2 * (f * scene.n + sample);
    return [px(scene.points[at]), py(scene.points[at + 1])];
  };

  function resize() {
    const box = canvas.getBoundingClientRect();
    if (!scene || box.width < 10) return;
    [width, height] = [box.width, box.height];
    context = fitCanvas(canvas, width, height);
    draw();
  }
  const watcher = new ResizeObserver(resize);
  watcher.observe(canvas);

  function drawContext(c, home, other) {
    const shades = new Map([[home, colors.clean], [other, colors.adversarial]]);
    for (let i = 0; i < scene.belongs.length; i++) {
      const shade = shades.get(scene.belongs[i]);
      c.fillStyle = shade ?? colors.neutral;
      c.globalAlpha = shade ? 0.42 : 0.26;
      c.fillRect(px(scene.reference[2 * i]) - 1.1, py(scene.reference[2 * i + 1]) - 1.1, 2.4, 2.4);
    }
    c.globalAlpha = 1;
  }

  function segment(c, sample, f, color, strength) {
    c.strokeStyle = color;
    c.lineWidth = strength;
    c.beginPath();
    c.moveTo(...place(f - 1, sample));
    c.lineTo(...place(f, sample));
    c.stroke();
  }

  function dot(c, [x, y], radius, fill, stroke) {
    c.beginPath();
    c.arc(x, y, radius, 0, 2 * Math.PI);
    c.fillStyle = fill;
    c.fill();
    if (stroke) { c.strokeStyle = stroke; c.lineWidth = 2; c.stroke(); }
  }

  function cross(c, [x, y], color) {
    for (const [shade, thick] of [[colors.background, 8], [color, 3.4]]) {
      Object.assign(c, { strokeStyle: shade, lineWidth: thick, lineCap: "round" });
      c.beginPath();
      c.moveTo(x - 7, y - 7); c.lineTo(x + 7, y + 7);
      c.moveTo(x - 7, y + 7); c.lineTo(x + 7, y - 7);
      c.stroke();
    }
  }

  function label(c, text, [x, y], color) {
    Object.assign(c, { font: `700 13px ${colors.font}`, textAlign: x > width - 90 ? "right" : "left", textBaseline: "middle",
      lineWidth: 4, strokeStyle: colors.background, fillStyle: color });
    const at = [text, x + (x > width - 90 ? -11 : 11), y];
    c.strokeText(...at);
    c.fillText(...at);
  }

  function drawWay(c, sample) {
    const bold = sample === active;
    const colorAt = (f) => (hasMoved(scene, f, sample) ? colors.adversarial : colors.clean);
    c.globalAlpha = bold ? 1 : 0.45;
    for (let f = 1; f < scene.frames; f++) {
      c.setLineDash(f > frame ? [2, 4] : []);
      segment(c, sample, f, colorAt(f), f > frame ? 1.4 : bold ? 2.8 : 1.8);
    }
    c.setLineDash([]);
    if (bold) for (let f = 1; f <= frame; f++) dot(c, place(f, sample), 2.6, colorAt(f));
    dot(c, place(0, sample), 5, colors.background, colors.clean);
    const crossing = scene.crossings[sample];
    const crossed = crossing !== null && frameOf(scene, crossing) <= frame;
    if (frame > 0 || !bold) dot(c, place(frame, sample), bold ? 7 : 5, colorAt(frame), colors.background);
    if (crossed) cross(c, place(frameOf(scene, crossing), sample), colors.adversarial);
    c.globalAlpha = 1;
    if (scene.n > 1) label(c, LETTERS[sample], place(frame, sample), colors.text);
    else if (crossed) {
      label(c, crossing === 0 ? "random start" : `iteration ${crossing}`, place(frameOf(scene, crossing), sample), colors.adversarial);
    }
  }

  function draw() {
    if (!context) return;
    context.clearRect(0, 0, width, height);
    drawContext(context, scene.assigned[active], scene.rivals[frame][active]);
    drawNames(context, scene, colors, { px, py, width });
    for (const sample of scene.index.keys()) if (sample !== active) drawWay(context, sample);
    drawWay(context, active);
  }

  canvas.onclick = (event) => {
    const box = canvas.getBoundingClientRect();
    let [best, least] = [null, REACH ** 2];
    for (let f = 0; f < scene.frames; f++) {
      const [x, y] = place(f, active);
      const far = (x - event.clientX + box.left) ** 2 + (y - event.clientY + box.top) ** 2;
      if (far < least) [best, least] = [f, far];
    }
    if (best !== null) stage.grab(best);
  };

  function build(nextScene, nextColors) {
    [scene, colors] = [nextScene, nextColors];
    [frame, active] = [Math.min(frame, scene.frames - 1), Math.min(active, scene.n - 1)]; // until paint says otherwise
    resize();
  }

  function paint(nextFrame, nextActive) {
    [frame, active] = [nextFrame, Math.min(nextActive, scene.n - 1)];
    const [home, rival] = [scene.assigned[active], scene.rivals[frame][active]].map((k) => scene.clusters[k]);
    setText(note, `Dots: clean held-out samples, blue in cluster ${home}, orange in ${rival}, the strongest other now. ${scene.map}.`);
    canvas.setAttribute("aria-label", `Map with the way of sample ${scene.index[active]} from cluster ${home}`
      + `${scene.crossings[active] === null ? ", which it does not leave" : `, left at iteration ${scene.crossings[active]}`}.`);
    draw();
  }

  return { build, paint, canvas, destroy: () => watcher.disconnect() };
}
