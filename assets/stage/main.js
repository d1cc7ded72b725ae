// The stage: one ε, and everything that hangs on it. Python hears of ε only after the hand has rested.

const REST = 700; // milliseconds without a change until ε is told to Python
const BEAT = 420; // milliseconds a frame while playing

const stages = new WeakMap();

function panel(parent, title, kind) {
  const node = el("section", { class: `panel ${kind}` }, el("h3", {}, title));
  parent.append(node);
  return node;
}

function createStage(root) {
  const play = el("button", { type: "button", class: "play", title: "Play ε from 0 upwards" }, "▶");
  const slider = el("input", { type: "range", min: "0", step: "1", value: "0", "aria-label": "ε" });
  const track = el("div", { class: "track", "aria-hidden": "true" });
  const ticks = el("div", { class: "ticks", "aria-hidden": "true" });
  const readout = el("output", { class: "epsilon" });
  const verdict = el("p", { class: "verdict", "aria-live": "polite" });
  const chip = el("button", { type: "button", class: "chip", hidden: "" });
  const bar = el("div", { class: "bar" }, el("div", { class: "scrub" }, play,
    el("div", { class: "rail" }, track, slider, ticks), readout), verdict);
  const grid = el("div", { class: "grid" });
  root.replaceChildren(bar, grid);

  const stage = { selected: null, hovered: null, commit: () => {} };
  const state = { scene: null, colors: null, frame: 0, follow: true, filter: null, epsilon: null, rest: 0, beat: 0 };
  const pictures = createPictures(panel(grid, "Pictures", "pictures"), stage, chip);
  const map = createMap(panel(grid, "Map", "mapping"), stage);
  const scores = createScores(panel(grid, "Scores", "scoring"));
  const before = createMatrix(panel(grid, "Confusion, clean", "before"), stage, false);
  const after = createMatrix(panel(grid, "Confusion, at this ε", "after"), stage, true);
  const curve = createCurve(panel(grid, "ACC over ε", "curve"), stage);

  function chosenRows() {
    const { scene, frame, filter } = state;
    if (!filter) return null;
    const at = filter.after ? frame : 0;
    return new Set(Array.from({ length: scene.n }, (_, i) => i).filter((i) =>
      scene.labels[i] === filter.label && clusterAt(scene, at, i) === filter.cluster));
  }

  function show(frame) {
    const { scene } = state;
    state.frame = frame;
    const started = performance.now();
    const chosen = chosenRows();
    slider.value = String(frame);
    const text = epsilonText(scene.epsilons[frame]);
    slider.setAttribute("aria-valuetext", `ε = ${text}`);
    setText(readout, `ε = ${text}`);
    setText(verdict, scene.verdicts[frame]);
    pictures.paint(frame, chosen);
    scores.paint(scene, frame);
    before.paint(0, state.filter);
    after.paint(frame, state.filter);
    curve.paint(frame);
    map.go(frame, chosen);
    map.tell(stage.hovered);
    chip.hidden = !state.filter;
    if (state.filter) {
      const { label, cluster, after: later } = state.filter;
      chip.title = `Shown: label ${scene.classes[label]} in cluster ${scene.clusters[cluster]}, ${later ? "at this ε" : "clean"}`;
      setText(chip, `${scene.classes[label]} in ${scene.clusters[cluster]}: ${chosen.size} of ${scene.n} ✕`);
    }
    root.dataset.drawMs = (performance.now() - started).toFixed(2);
  }

  function rest() {
    clearTimeout(state.rest);
    state.rest = setTimeout(() => stage.commit(state.epsilon), REST);
  }

  stage.grab = (frame) => {
    const last = state.scene.frames - 1;
    const target = Math.max(0, Math.min(last, frame));
    state.follow = target === last && last < state.scene.total - 1;
    state.epsilon = state.scene.epsilons[target];
    show(target);
    rest();
  };
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
  };
  stage.filter = (filter) => {
    state.filter = JSON.stringify(filter) === JSON.stringify(state.filter) ? null : filter;
    show(state.frame);
  };

  function stopPlaying() {
    clearInterval(state.beat);
    state.beat = 0;
    setText(play, "▶");
    play.setAttribute("aria-label", "Play");
  }
  play.onclick = () => {
    if (state.beat) return stopPlaying();
    if (state.frame === state.scene.frames - 1) stage.grab(0);
    setText(play, "❚❚");
    play.setAttribute("aria-label", "Pause");
    state.beat = setInterval(() => {
      stage.grab(state.frame + 1);
      if (state.frame >= state.scene.frames - 1) stopPlaying();
    }, BEAT);
  };
  slider.oninput = () => { stopPlaying(); stage.grab(Number(slider.value)); };
  chip.onclick = () => stage.filter(null);

  function place(scene) {
    const last = scene.frames - 1;
    if (state.epsilon === null && scene.start !== null && last > 0) [state.epsilon, state.follow] = [scene.start, false];
    if (state.follow || state.epsilon === null) return last;
    const far = scene.epsilons.map((e) => Math.abs(e - state.epsilon));
    return Math.min(last, far.indexOf(Math.min(...far)));
  }

  function build(scene) {
    slider.max = String(scene.total - 1);
    slider.disabled = scene.frames < 2;
    play.disabled = scene.frames < 2;
    track.style.setProperty("--done", String((scene.frames - 1) / (scene.total - 1)));
    ticks.replaceChildren(...scene.epsilons.map((e, f) => el("span", { class: f % 2 ? "odd" : "" }, epsilonText(e))));
    const same = state.scene && state.scene.classes.join() === scene.classes.join();
    if (!same) state.filter = stage.selected = stage.hovered = null;
    pictures.build(scene);
    before.build(scene);
    after.build(scene);
  }

  stage.update = (bytes) => {
    const scene = decode(bytes);
    const fresh = state.scene?.id !== scene.id;
    const identity = scene.id.split("-")[0];
    if (state.scene && state.scene.id.split("-")[0] !== identity) {
      state.follow = true;
      stage.selected = stage.hovered = null;
    }
    state.colors = applyTheme(root, scene);
    if (fresh) { state.scene = scene; build(scene); }
    map.build(state.scene, state.colors);
    curve.build(state.scene, state.colors);
    show(fresh ? place(state.scene) : state.frame);
    if (fresh && state.follow && scene.frames === scene.total) { // arrived at the end: worth a place in the address
      state.epsilon = scene.epsilons[state.frame];
      rest();
    }
    pictures.mark(stage.selected, stage.hovered);
    root.dataset.frames = String(state.scene.frames);
  };
  const watcher = new ResizeObserver(() => {
    if (state.scene) { curve.build(state.scene, state.colors); curve.paint(state.frame); }
  });
  watcher.observe(root);
  stage.destroy = () => { stopPlaying(); clearTimeout(state.rest); watcher.disconnect(); map.destroy(); pictures.destroy(); };
  stopPlaying();
  return stage;
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".stage");
  if (!root || !data) return;
  if (!stages.has(root)) stages.set(root, createStage(root));
  const stage = stages.get(root);
  stage.commit = (epsilon) => setStateValue("epsilon", epsilon);
  try {
    stage.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw the stage. Reload the page; its console has the details."));
  }
  return () => { stage.destroy(); stages.delete(root); };
}
