// The flow: how many samples of each clean cluster are in which cluster now. A band can be picked.

const BAR = 12; // pixels a cluster's bar is wide
const BETWEEN = 5; // pixels between two bars
const BESIDE = 6; // pixels between a bar and its name
const LETTER = 7; // pixels, on average, of a name
const MARGIN = 9; // pixels above and below, for the name of a thin bar
const LINE = 13; // pixels a name needs

function createFlow(panel, stage) {
  const drawing = svg("svg", { role: "group" });
  const note = el("p", { class: "note" });
  panel.append(drawing, note);
  let scene, colors, width, height, edge, order = [];

  function build(nextScene, nextColors) {
    [scene, colors] = [nextScene, nextColors];
    setText(note, `Left: clean clusters. Right: clusters at this ${scene.symbol}. Grey bands stay.`);
    width = Math.max(220, panel.clientWidth - 2);
    const longest = Math.max(...scene.clusters.map((name) => name.length));
    edge = Math.min(BESIDE + LETTER * Math.max(2, longest), 0.4 * width); // for the names
    height = Math.max(240, Math.min(420, 34 * scene.columns.length));
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    order = scene.columns;
  }

  // Counts of (clean cluster, cluster now).
  function count(frame) {
    const k = scene.clusters.length;
    const counts = Array.from({ length: k }, () => new Array(k).fill(0));
    for (let i = 0; i < scene.n; i++) counts[scene.assigned[i]][clusterAt(scene, frame, i)]++;
    return counts;
  }

  function stack(sizes) {
    const used = sizes.filter(Boolean).length;
    const unit = (height - 2 * MARGIN - BETWEEN * Math.max(0, used - 1)) / scene.n;
    const tops = [];
    let at = MARGIN;
    for (const k of order) {
      tops[k] = at;
      if (sizes[k]) at += sizes[k] * unit + BETWEEN;
    }
    return { tops, unit };
  }

  function side(sizes, { tops, unit }, x, anchor) {
    let last = -LINE;
    return order.filter((k) => sizes[k]).flatMap((k) => {
      const [high, beside] = [Math.max(1, sizes[k] * unit), anchor === "end" ? x - BESIDE : x + BAR + BESIDE];
      last = Math.max(tops[k] + high / 2 + 5, last + LINE); // no name on another
      return [
        svg("rect", { x, y: tops[k], width: BAR, height: high, fill: clusterColor(scene, k) }),
        svg("text", { class: "axis", x: beside, y: last, "text-anchor": anchor }, scene.clusters[k]),
      ];
    });
  }

  function band(from, to, size, left, right) {
    const [x0, x1] = [edge + BAR, width - edge - BAR];
    const middle = (x0 + x1) / 2;
    const [a, b, c, d] = [left.at[from], left.at[from] + size * left.unit, right.at[to], right.at[to] + size * right.unit];
    [left.at[from], right.at[to]] = [b, d];
    const picked = stage.selection.has({ kind: "flow", from, to });
    const path = svg("path", {
      d: `M${x0},${a}C${middle},${a} ${middle},${c} ${x1},${c}L${x1},${d}C${middle},${d} ${middle},${b} ${x0},${b}Z`,
      class: `band ${from === to ? "stays" : ""} ${picked ? "picked" : ""}`, fill: from === to ? colors.neutral : clusterColor(scene, from),
      tabindex: "0", role: "button", "aria-pressed": String(picked),
      "aria-label": `${size} samples from cluster ${scene.clusters[from]} ${from === to ? "stay" : `to ${scene.clusters[to]}`}`,
    });
    path.append(svg("title", {}, `${scene.clusters[from]} → ${scene.clusters[to]}: ${size} of ${scene.n}`));
    const pick = () => stage.filter({ kind: "flow", from, to });
    path.onclick = pick;
    path.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } };
    return path;
  }

  function paint(frame) {
    const counts = count(frame);
    const before = scene.clusters.map((_, k) => counts[k].reduce((sum, n) => sum + n, 0));
    const now = scene.clusters.map((_, k) => counts.reduce((sum, row) => sum + row[k], 0));
    const [left, right] = [stack(before), stack(now)];
    [left.at, right.at] = [[...left.tops], [...right.tops]];
    const bands = order.flatMap((from) => order.filter((to) => counts[from][to]).map((to) =>
      band(from, to, counts[from][to], left, right)));
    const focused = drawing.getRootNode().activeElement?.getAttribute?.("aria-label");
    drawing.replaceChildren(...bands, ...side(before, left, edge, "end"), ...side(now, right, width - edge - BAR, "start"));
    if (focused) bands.find((path) => path.getAttribute("aria-label") === focused)?.focus();
    const moved = scene.n - scene.clusters.reduce((sum, _, k) => sum + counts[k][k], 0);
    drawing.setAttribute("aria-label", `Flow between clusters: ${moved} of ${scene.n} samples have left theirs`);
  }
  return { build, paint, drawing };
}
