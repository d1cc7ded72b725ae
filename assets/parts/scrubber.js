// One slider for everything that changes along a row of values (ε, iterations): it plays, it is grabbed, and it
// follows a row that still grows until a hand has touched it.

const REST = 700; // milliseconds without a change until the value is told to Python
const BEAT = 420; // milliseconds a frame while playing

// `name` labels the slider, `text` says a value. Set `onshow` to draw a frame, `oncommit` to hear where it rested.
function createScrubber({ name: first, text, play: playing }) {
  let name = first;
  const play = el("button", { type: "button", class: "play", title: playing });
  const slider = el("input", { type: "range", min: "0", step: "1", value: "0", "aria-label": name });
  const track = el("div", { class: "track", "aria-hidden": "true" });
  const ticks = el("div", { class: "ticks", "aria-hidden": "true" });
  const readout = el("output", { class: "epsilon" });
  const verdict = el("p", { class: "verdict", "aria-live": "polite" });
  const node = el("div", { class: "bar" }, el("div", { class: "scrub" }, play,
    el("div", { class: "rail" }, track, slider, ticks), readout), verdict);
  const state = { values: [0], frames: 1, frame: 0, follow: true, value: null, identity: null, rest: 0, beat: 0 };
  const scrubber = { node, onshow: () => {}, oncommit: () => {} };

  function show(frame) {
    state.frame = frame;
    slider.value = String(frame);
    slider.setAttribute("aria-valuetext", `${name} = ${text(state.values[frame])}`);
    setText(readout, `${name} = ${text(state.values[frame])}`);
    scrubber.onshow(frame);
  }

  function rest() {
    clearTimeout(state.rest);
    state.rest = setTimeout(() => scrubber.oncommit(state.value), REST);
  }

  function stop() {
    clearInterval(state.beat);
    state.beat = 0;
    setText(play, "▶");
    play.setAttribute("aria-label", "Play");
  }

  scrubber.say = (words) => setText(verdict, words);
  scrubber.grab = (frame) => {
    const last = state.frames - 1;
    const target = Math.max(0, Math.min(last, frame));
    state.follow = target === last && last < state.values.length - 1;
    state.value = state.values[target];
    show(target);
    rest();
  };
  play.onclick = () => {
    if (state.beat) return stop();
    if (state.frame === state.frames - 1) scrubber.grab(0);
    setText(play, "❚❚");
    play.setAttribute("aria-label", "Pause");
    state.beat = setInterval(() => {
      scrubber.grab(state.frame + 1);
      if (state.frame >= state.frames - 1) stop();
    }, BEAT);
  };
  slider.oninput = () => { stop(); scrubber.grab(Number(slider.value)); };

  function place(start) {
    const last = state.frames - 1;
    if (state.value === null && start !== null && last > 0) [state.value, state.follow] = [start, false];
    if (state.follow || state.value === null) return last;
    const far = state.values.map((value) => Math.abs(value - state.value));
    return Math.min(last, far.indexOf(Math.min(...far)));
  }

  // New data: `frames` of the `values` are there. `identity` names the whole row, `start` the value to open at, `name` it.
  scrubber.update = ({ values, frames, start, identity, name: called = name }) => {
    name = called;
    slider.setAttribute("aria-label", name);
    if (state.identity !== null && state.identity !== identity) state.follow = true;
    const arrived = state.frames !== frames && frames === values.length;
    Object.assign(state, { values, frames, identity });
    slider.max = String(values.length - 1);
    slider.disabled = play.disabled = frames < 2;
    track.style.setProperty("--done", String((frames - 1) / Math.max(1, values.length - 1)));
    ticks.replaceChildren(...values.map((value, f) => el("span", { class: f % 2 ? "odd" : "" }, text(value))));
    show(place(start));
    if (arrived && state.follow) { // at the end: worth a place in the address
      state.value = values[state.frame];
      rest();
    }
  };
  scrubber.redraw = () => show(state.frame);
  scrubber.destroy = () => { stop(); clearTimeout(state.rest); };
  stop();
  return scrubber;
}
