// The probe: one's own samples before a model. One ε, one sample at a time; no labels, so nothing here is an accuracy.

const ENLARGED = 8; // pixels of a saved picture for each of the sample's
const TALLEST = 420; // CSS pixels of all views of a sample
const MOST_ZOOM = 6;
const probes = new WeakMap();

function createProbe(root) {
  const scrubber = createScrubber({ name: "ε", text: epsilonText, play: "Play ε from 0 upwards" });
  const strip = el("div", { class: "yours", role: "group", "aria-label": "Your samples" });
  const grid = el("div", { class: "grid" });
  const protocol = el("p", { class: "note" });
  const state = { scene: null, colors: null, frame: 0, sample: 0, rows: [], canvases: [] };
  const stage = { selected: null, hovered: null };

  const pictured = createPanel(grid, "What the model sees", "pictures");
  const bars = createBars(createPanel(grid, "Probability of each cluster", "probabilities"));
  const around = createAround(createPanel(grid, "Typical", "typical"), createPanel(grid, "Nearest held-out samples", "near"));
  const mapped = createPanel(grid, "Map", "mapping");
  const map = createMap(mapped, stage);
  const key = el("div", { class: "heads" });
  const views = el("div", { class: "large" });
  const scale = el("p", { class: "note" });
  pictured.append(key, views, scale);
  pictured.tools.append(exporter(sheet, () => `own-${state.scene.epsilons[state.frame]}`, ["PNG"]));
  mapped.tools.append(exporter(() => mapped.querySelector("canvas"), () => "own-map", ["PNG"]));

  // All views of the sample as one picture, enlarged without smoothing.
  function sheet() {
    const canvas = el("canvas", { width: ENLARGED * Math.max(...state.canvases.map((c) => c.width)),
      height: ENLARGED * state.canvases.reduce((sum, c) => sum + c.height, 0) });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    let top = 0;
    for (const c of state.canvases) {
      context.drawImage(c, 0, top, ENLARGED * c.width, ENLARGED * c.height);
      top += ENLARGED * c.height;
    }
    return canvas;
  }

  function zoom() {
    const { canvases } = state;
    if (!state.scene) return;
    const beside = state.scene.frames < 2; // clean pictures stand side by side
    const sum = (side) => canvases.reduce((total, canvas) => total + canvas[side], 0);
    const widest = beside ? sum("width") : Math.max(...canvases.map(({ width }) => width));
    const height = beside ? Math.max(...canvases.map((canvas) => canvas.height)) : sum("height");
    const fit = Math.max(1, Math.floor(Math.min((views.clientWidth - 30) / widest, TALLEST / height, MOST_ZOOM)));
    pictured.style.setProperty("--zoom", String(fit));
    pictured.style.setProperty("--wide", `${fit * widest}px`);
  }

  function layOut(scene) {
    const attacked = scene.frames > 1; // before an attack there is only the clean picture, which comes first in a row
    state.rows = scene.views.map((_, view) => pixelRow(scene, view));
    state.canvases = state.rows.map(({ image }, view) => {
      const canvas = el("canvas", { width: attacked ? image.width : scene.shapes[view][2], height: image.height, role: "img" });
      canvas.style.width = `calc(var(--zoom) * ${canvas.width}px)`;
      return canvas;
    });
    key.hidden = !attacked;
    key.replaceChildren(el("span", { class: "key-clean" }, "yours"), el("span", {}, "perturbation"), el("span", { class: "key-adversarial" }, "adversarial"));
    views.classList.toggle("beside", !attacked);
    views.replaceChildren(...scene.views.map((name, view) => el("div", {},
      el("span", { class: "view" }, !attacked || scene.attacked.includes(view) ? name : `${name} (not attacked)`), state.canvases[view])));
    zoom();
  }

  function mine(scene, sample) {
    const node = el("button", { type: "button", class: "mine", title: scene.yours[sample] }, stacked(scene, "clean", sample), el("span", {}));
    node.onclick = () => stage.select(sample);
    node.onpointerenter = () => stage.hover(sample);
    node.onpointerleave = () => stage.hover(null);
    return node;
  }

  function paintStrip(frame) {
    const { scene } = state;
    [...strip.children].forEach((node, sample) => {
      if (sample >= scene.shown.length) return;
      const [moved, now] = [hasMoved(scene, frame, sample), scene.clusters[clusterAt(scene, frame, sample)]];
      setText(node.lastChild, moved ? `▲ ${now}` : now);
      node.classList.toggle("moved", moved);
      node.setAttribute("aria-pressed", String(sample === state.sample));
      node.setAttribute("aria-label", `${scene.yours[sample]}: cluster ${scene.clusters[scene.assigned[sample]]}${moved ? `, now ${now}` : ""}`);
    });
  }

  scrubber.onshow = (frame) => {
    const { scene, sample } = state;
    if (!scene) return; // it was playing when the sample was taken away
    const started = performance.now();
    state.frame = frame;
    scrubber.say(scene.verdicts[frame][sample]);
    const [reach, table] = [scene.reach[frame], divergingTable(scene, scene.reach[frame])];
    state.canvases.forEach((canvas, view) => {
      fillRow(scene, view, sample, frame, state.rows[view], table);
      canvas.getContext("2d").putImageData(state.rows[view].image, 0, 0);
      canvas.setAttribute("aria-label", `${scene.views[view]}: yours, its perturbation, and both together at ε = ${epsilonText(scene.epsilons[frame])}`);
    });
    scale.hidden = scene.frames < 2;
    setText(scale, reach > 0 ? `Perturbation in colour from −${epsilonText(reach)} (blue) to +${epsilonText(reach)} (red).`
      : "At ε = 0 nothing is changed.");
    bars.paint(scene, frame, sample);
    around.paint(scene, frame, sample);
    paintStrip(frame);
    map.go(frame, null);
    map.tell(stage.hovered);
    root.dataset.drawMs = (performance.now() - started).toFixed(2);
  };
  stage.hover = (sample) => {
    if (sample === stage.hovered) return;
    stage.hovered = sample;
    map.redraw();
    map.tell(sample);
  };
  stage.select = (sample) => {
    if (sample === null || sample >= state.scene.shown.length) return;
    state.sample = stage.selected = sample;
    root.dataset.sample = String(sample);
    scrubber.redraw();
  };

  function build(scene) {
    if (!scrubber.node.isConnected) root.replaceChildren(scrubber.node, strip, grid, protocol);
    const another = state.scene?.identity !== scene.identity;
    if (another) state.sample = stage.selected = 0;
    stage.hovered = null;
    scene.prob = (frame, sample, k) => scene.probs[(frame * scene.n + sample) * scene.clusters.length + k] / 65535;
    state.scene = scene;
    layOut(scene);
    strip.hidden = scene.n < 2;
    const others = scene.n - scene.shown.length;
    strip.replaceChildren(...(scene.n < 2 ? [] : scene.shown.map((sample) => mine(scene, sample))));
    if (others > 0) strip.append(el("span", { class: "note" }, `and ${others} more, on the map and in the sentence above`));
    setText(protocol, scene.protocol);
  }

  function showClusters(scene) {
    state.scene = null;
    map.tell(null);
    root.replaceChildren(...clusterGallery(scene));
  }

  const probe = {};
  probe.update = (bytes) => {
    const scene = decode(bytes);
    state.colors = applyTheme(root, scene);
    root.dataset.frames = String(scene.frames);
    root.dataset.identity = scene.identity ?? "";
    if (scene.id === "clusters") return showClusters(scene);
    const fresh = state.scene?.id !== scene.id;
    if (fresh) build(scene);
    map.build(state.scene, state.colors);
    if (fresh) scrubber.update({ values: scene.epsilons, frames: scene.frames, start: null, identity: scene.id.replace(/-\d+$/, "") });
    else scrubber.redraw();
  };
  const watcher = new ResizeObserver(zoom);
  watcher.observe(views);
  probe.destroy = () => { scrubber.destroy(); watcher.disconnect(); map.destroy(); };
  return probe;
}

export default function mount({ data, parentElement }) {
  const root = parentElement.querySelector(".probe");
  if (!root || !data) return;
  if (!probes.has(root)) probes.set(root, createProbe(root));
  const probe = probes.get(root);
  try {
    probe.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw your samples. Reload the page; its console has the details."));
  }
  return () => { probe.destroy(); probes.delete(root); };
}
