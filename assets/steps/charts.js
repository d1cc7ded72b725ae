// Small charts over the iterations, each with the cursor of the scrubber, and where the sample crosses.

const [LEFT, RIGHT, TOP, BOTTOM] = [46, 14, 16, 22];
const DASHES = ["", "6 4", "2 4", "8 3 2 3"];

function niceTicks(low, high) {
  const rough = Math.max(1e-9, high - low) / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((m) => m * unit >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + 1e-6 * step; k++) ticks.push(k * step);
  return ticks;
}

const short = (v) => (Math.abs(v) >= 10000 ? `${+(v / 1000).toPrecision(3)}k` : String(+v.toPrecision(3))).replace("-", "−");

function iterationTicks(iterations) {
  const last = iterations[iterations.length - 1];
  const step = [1, 2, 5, 10, 20, 50].find((s) => last / s <= 8) ?? 50;
  return iterations.map((t, f) => [t, f]).filter(([t]) => t === -1 || (t >= 0 && t % step === 0 && (t > 0 || last <= 8)) || t === last)
    .filter(([t], i, all) => t === last || all.at(-1)[0] - t >= step * 0.6);
}

// `read(scene, active)` gives { lines: [{ values, color, dash, wide, name }], low, high, zero }; what is left out is found.
function createChart(panel, stage, read) {
  const picture = svg("svg", { role: "img", class: "chart" });
  const legend = el("p", { class: "legend" });
  panel.append(picture, legend);
  let scene, width, height, cursor, dots = [], lines = [], x, y;

  function frame_(low, high) {
    const parts = niceTicks(low, high).flatMap((v) => [
      svg("line", { class: "rule", x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v) }),
      svg("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, short(v)),
    ]);
    for (const [t, f] of iterationTicks(scene.iterations)) {
      parts.push(svg("text", { x: x(f), y: height - 6, "text-anchor": "middle" }, t < 0 ? "clean" : String(t)));
    }
    return parts;
  }

  function crossingMark(active) {
    const crossing = scene.crossings[active];
    if (crossing === null) return [];
    const at = x(frameOf(scene, crossing));
    return [svg("line", { class: "crossing", x1: at, x2: at, y1: TOP, y2: height - BOTTOM }),
      svg("text", { class: "mark", x: at, y: TOP - 1, "text-anchor": "middle" }, "✕")];
  }

  function build(nextScene, colors, active) {
    scene = nextScene;
    width = Math.max(200, panel.clientWidth - 2);
    height = 178;
    const found = read(scene, active, colors);
    lines = found.lines;
    const all = lines.flatMap(({ values }) => values);
    let [low, high] = [found.low ?? Math.min(...all, ...(found.zero ? [0] : [])), found.high ?? Math.max(...all, ...(found.zero ? [0] : []))];
    if (high - low < 1e-9) high = low + 1;
    const margin = found.high === undefined ? 0.06 * (high - low) : 0;
    const bottom = found.low === undefined ? low - margin : low;
    x = (f) => LEFT + (f / (scene.total - 1)) * (width - LEFT - RIGHT);
    y = (v) => TOP + (1 - (v - bottom) / (high + margin - bottom)) * (height - TOP - BOTTOM);
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    cursor = svg("line", { class: "cursor", y1: TOP, y2: height - BOTTOM });
    dots = lines.map(({ color, wide }) => svg("circle", { r: wide ? 4.5 : 3, fill: color }));
    const zero = found.zero ? [svg("line", { class: "zero", x1: LEFT, x2: width - RIGHT, y1: y(0), y2: y(0) })] : [];
    picture.replaceChildren(...frame_(bottom, high + margin), ...zero, ...crossingMark(active), cursor,
      ...lines.map(({ values, color, dash, wide }) => svg("polyline", { points: values.map((v, f) => `${x(f)},${y(v)}`).join(" "),
        fill: "none", stroke: color, "stroke-width": wide ? 2.6 : 1.5, "stroke-dasharray": dash ?? "" })), ...dots);
    picture.setAttribute("aria-label", found.about);
    legend.replaceChildren(...lines.filter(({ name }) => name).map(({ name, color, dash }) => {
      const sign = svg("svg", { width: 22, height: 10, "aria-hidden": "true" });
      sign.append(svg("line", { x1: 0, x2: 22, y1: 5, y2: 5, stroke: color, "stroke-width": 2.6, "stroke-dasharray": dash ?? "" }));
      return el("span", {}, sign, el("span", {}, name), el("b", { class: "reading" }));
    }));
  }

  function paint(frame) {
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(frame));
    const readings = legend.querySelectorAll(".reading");
    let named = 0;
    lines.forEach(({ values, name }, i) => {
      const value = values[Math.min(frame, values.length - 1)];
      dots[i].setAttribute("cx", x(frame));
      dots[i].setAttribute("cy", y(value));
      if (name) setText(readings[named++], short(value));
    });
  }

  picture.onclick = (event) => stage.grab(Math.round(shareAt(picture, event, width, LEFT) * (scene.total - 1)));
  return { build, paint, picture };
}

// Where a click lies between the two ends of a chart, 0 to 1.
function shareAt(picture, event, width, left) {
  const box = picture.getBoundingClientRect();
  const at = ((event.clientX - box.left) / box.width) * width;
  return (at - left) / (width - left - RIGHT);
}

// All probabilities of the active sample: a row a cluster, a column an iteration, the darker the more probable.
function createShades(panel, stage) {
  const picture = svg("svg", { role: "img", class: "chart" });
  const note = el("p", { class: "legend" });
  panel.append(picture, note);
  let scene, width, height, cursor, step;
  let edge = LEFT;
  const left = (f) => edge + (f / scene.total) * (width - edge - RIGHT);

  function build(nextScene, colors, active) {
    scene = nextScene;
    width = Math.max(200, panel.clientWidth - 2);
    height = 178;
    step = (height - TOP - BOTTOM) / scene.bars.length;
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const names = scene.bars.map((cluster) => scene.clusters[cluster]);
    edge = Math.min(width / 3, 14 + 7 * Math.max(...names.map((name) => name.length)));
    const home = scene.assigned[active], cell = left(1) - left(0), parts = [];
    scene.bars.forEach((cluster, row) => {
      const name = names[row];
      const text = svg("text", { x: edge - 5, y: TOP + (row + 0.5) * step + 4, "text-anchor": "end" },
        7 * name.length > edge ? `${name.slice(0, Math.floor(edge / 7) - 2)}…` : name);
      text.append(svg("title", {}, name));
      parts.push(text);
      for (let f = 0; f < scene.frames; f++) {
        const p = scene.probs[(f * scene.n + active) * scene.clusters.length + cluster] / 65535;
        parts.push(svg("rect", { x: left(f), y: TOP + row * step, width: cell + 0.4, height: step - 1,
          fill: cluster === home ? colors.clean : colors.adversarial, "fill-opacity": (0.05 + 0.95 * Math.sqrt(p)).toFixed(3) }));
      }
    });
    for (const [t, f] of iterationTicks(scene.iterations)) {
      parts.push(svg("text", { x: left(f) + cell / 2, y: height - 6, "text-anchor": "middle" }, t < 0 ? "clean" : String(t)));
    }
    cursor = svg("rect", { class: "window", y: TOP - 2, width: cell, height: height - TOP - BOTTOM + 2 });
    picture.replaceChildren(...parts, cursor);
    picture.setAttribute("aria-label", "Probability of each cluster over the iterations");
    note.replaceChildren(el("span", { class: "key-clean" }, "■"), " clean cluster, ", el("span", { class: "key-adversarial" }, "■"), " others; stronger is more probable");
  }

  picture.onclick = (event) => stage.grab(Math.floor(shareAt(picture, event, width, edge) * scene.total));
  return { build, paint: (frame) => cursor.setAttribute("x", left(frame)), picture };
}
