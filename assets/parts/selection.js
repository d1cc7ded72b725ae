// What is chosen: a cell of a matrix, a flow between clusters, a lasso on the map. Each is a chip that can be taken
// away; what fits all of them is what every figure shows. As text, for the address: core/figures/selection.py reads it.

function createSelection(onchange) {
  const node = el("div", { class: "chips", role: "group", "aria-label": "Selection", hidden: "" });
  let filters = [], scene = null;

  const same = (a, b) => a.kind === b.kind && a.now === b.now;
  const equal = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  function fits(filter, frame, i) {
    if (filter.kind === "cell") {
      return scene.labels[i] === filter.label && clusterAt(scene, filter.now ? frame : 0, i) === filter.cluster;
    }
    if (filter.kind === "flow") return scene.assigned[i] === filter.from && clusterAt(scene, frame, i) === filter.to;
    return filter.samples.includes(scene.index[i]);
  }

  function words(filter) {
    const [names, labels] = [scene.clusters, scene.classes];
    if (filter.kind === "cell") return `label ${labels[filter.label]} in cluster ${names[filter.cluster]}, ${filter.now ? "now" : "clean"}`;
    if (filter.kind === "flow") return `${names[filter.from]} → ${names[filter.to]}`;
    return `${filter.samples.length} on the map`;
  }

  function asText(filter) {
    if (filter.kind === "cell") return `cell.${filter.now ? "now" : "clean"}.${filter.label}.${filter.cluster}`;
    if (filter.kind === "flow") return `flow.${filter.from}.${filter.to}`;
    return `lasso.${filter.samples.join(".")}`;
  }

  function asFilter(text) {
    const [kind, ...rest] = text.split(".");
    if (kind === "cell") return { kind, now: rest[0] === "now", label: Number(rest[1]), cluster: Number(rest[2]) };
    if (kind === "flow") return { kind, from: Number(rest[0]), to: Number(rest[1]) };
    return { kind, samples: rest.map(Number) };
  }

  const selection = { node };
  selection.text = () => filters.map(asText).join("_");
  selection.read = (text) => { filters = text ? text.split("_").map(asFilter) : []; };
  selection.use = (next) => { scene = next; };
  selection.has = (filter) => filters.some((other) => equal(other, filter));
  selection.rows = (frame) => {
    if (!filters.length) return null;
    return new Set(Array.from({ length: scene.n }, (_, i) => i).filter((i) => filters.every((f) => fits(f, frame, i))));
  };
  selection.clear = () => { filters = []; onchange(); };
  selection.toggle = (filter) => {
    const others = filters.filter((other) => !same(other, filter));
    filters = selection.has(filter) ? others : [...others, filter];
    onchange();
  };
  selection.paint = (chosen) => {
    node.hidden = !filters.length;
    if (!filters.length) return;
    const chips = filters.map((filter) => {
      const chip = el("button", { type: "button", class: "chip", title: "Take this away" }, `${words(filter)} ✕`);
      chip.onclick = () => selection.toggle(filter);
      return chip;
    });
    const all = el("button", { type: "button", class: "chip plain" }, "Clear");
    all.onclick = () => selection.clear();
    node.replaceChildren(el("b", {}, `${chosen.size} of ${scene.n}`), ...chips, ...(filters.length > 1 ? [all] : []));
  };
  return selection;
}
