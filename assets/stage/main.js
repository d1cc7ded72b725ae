// The stage: one ε, one selection, and everything that hangs on them. Python hears of ε only after the hand has rested.

const stages = new WeakMap();

function createStage(root) {
  const scrubber = createScrubber({ name: "ε", text: epsilonText, play: "Play from 0 upwards" });
  const stage = { selected: null, hovered: null, commit: () => {} };
  const selection = createSelection(changed);
  stage.selection = selection;
  const grid = el("div", { class: "grid" });
  scrubber.node.append(selection.node);
  root.replaceChildren(scrubber.node, grid);

  const state = { scene: null, colors: null, frame: 0, told: null };
  const name = (figure) => () => `${state.scene.file}-${figure}-at-${epsilonText(state.scene.epsilons[state.frame])}`;
  const panels = Object.fromEntries([
    ["pictures", "Pictures"], ["mapping", "Map"], ["before", "Confusion, clean"], ["after", "Confusion, at this ε"],
    ["flow", "Flow between clusters"], ["curve", "Scores over ε"], ["scoring", "Scores"],
  ].map(([kind, title]) => [kind, createPanel(grid, title, kind)]));
  const pictures = createPictures(panels.pictures, stage, name("pictures"));
  const map = createMap(panels.mapping, stage);
  const before = createMatrix(panels.before, stage, false);
  const after = createMatrix(panels.after, stage, true);
  const flow = createFlow(panels.flow, stage);
  const curve = createCurve(panels.curve, stage);
  const scores = createScores(panels.scoring);
  const takeHome = (kind, figure, kinds) => panels[kind].tools.append(exporter(figure, name(kind), kinds));
  takeHome("mapping", () => map.canvas, ["PNG"]);
  takeHome("before", () => before.table, ["PNG", "SVG", "CSV"]);
  takeHome("after", () => after.table, ["PNG", "SVG", "CSV"]);
  takeHome("flow", () => flow.drawing, ["PNG", "SVG"]);
  takeHome("curve", () => curve.drawing, ["PNG", "SVG"]);
  takeHome("scoring", () => scores.table, ["PNG", "SVG", "CSV"]);

  scrubber.onshow = (frame) => {
    const { scene } = state;
    state.frame = frame;
    const started = performance.now();
    const chosen = selection.rows(frame);
    scrubber.say(scene.verdicts[frame]);
    pictures.paint(frame, chosen);
    scores.paint(scene, frame);
    before.paint(0);
    after.paint(frame);
    flow.paint(frame);
    curve.paint(frame);
    map.go(frame, chosen);
    map.tell(stage.hovered);
    selection.paint(chosen ?? new Set());
    root.dataset.drawMs = (performance.now() - started).toFixed(2);
  };
  scrubber.oncommit = (epsilon) => stage.commit("epsilon", epsilon);
  stage.grab = scrubber.grab;

  function tell() {
    const sample = stage.selected === null ? [] : [`sample.${state.scene.index[stage.selected]}`];
    const text = [...(selection.text() ? [selection.text()] : []), ...sample].join("_");
    if (text !== state.told) stage.commit("selection", text);
    state.told = text;
  }
  function changed() {
    scrubber.redraw();
    tell();
  }
  stage.hover = (sample) => {
    if (sample === stage.hovered) return;
    stage.hovered = sample;
    pictures.mark(stage.selected, sample);
    map.redraw();
    map.tell(sample);
  };
  stage.select = (sample) => {
    stage.selected = sample === stage.selected ? null : sample;
    pictures.mark(stage.selected, stage.hovered).reveal();
    map.redraw();
    tell();
  };
  stage.filter = (filter) => selection.toggle(filter);
  stage.lasso = (rows) => selection.toggle({ kind: "lasso", samples: rows.map((i) => state.scene.index[i]) });
  stage.watch = () => stage.commitOnce("watch", state.scene.index[stage.selected]);

  // A selection in the address is taken over once, when the first data come.
  function open(text) {
    const parts = text ? text.split("_") : [];
    const picked = parts.find((part) => part.startsWith("sample."));
    selection.read(parts.filter((part) => part !== picked).join("_"));
    const at = picked ? state.scene.index.indexOf(Number(picked.split(".")[1])) : -1;
    stage.selected = at < 0 ? null : at;
    state.told = text;
  }

  function build(scene) {
    const before_ = state.scene;
    state.scene = scene;
    panels.after.rename(`Confusion, at this ${scene.symbol}`);
    panels.curve.rename(`Scores over ${scene.symbol}`);
    selection.use(scene);
    if (!before_) open(scene.selection);
    else if (before_.subject !== scene.subject) {
      stage.selected = stage.hovered = null;
      selection.read("");
      tell();
    }
    pictures.build(scene);
    before.build(scene);
    after.build(scene);
  }

  stage.update = (bytes) => {
    const scene = decode(bytes);
    const fresh = state.scene?.id !== scene.id;
    state.colors = applyTheme(root, scene);
    if (fresh) build(scene);
    map.build(state.scene, state.colors);
    flow.build(state.scene, state.colors);
    curve.build(state.scene, state.colors);
    if (fresh) {
      scrubber.update({ values: scene.epsilons, frames: scene.frames, start: scene.start, identity: scene.id.split("-")[0], name: scene.symbol });
    } else scrubber.redraw();
    pictures.mark(stage.selected, stage.hovered);
    root.dataset.frames = String(state.scene.frames);
  };
  const watcher = new ResizeObserver(() => {
    if (!state.scene) return;
    for (const figure of [flow, curve]) {
      figure.build(state.scene, state.colors);
      figure.paint(state.frame);
    }
  });
  watcher.observe(root);
  stage.destroy = () => { scrubber.destroy(); watcher.disconnect(); map.destroy(); pictures.destroy(); };
  return stage;
}

export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".stage");
  if (!root || !data) return;
  if (!stages.has(root)) stages.set(root, createStage(root));
  const stage = stages.get(root);
  stage.commit = setStateValue;
  stage.commitOnce = setTriggerValue;
  try {
    stage.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw the stage. Reload the page; its console has the details."));
  }
  return () => { stage.destroy(); stages.delete(root); };
}
