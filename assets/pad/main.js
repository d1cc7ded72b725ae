// The pad: a drawing of 28 × 28 grey values, white on black as the data are. Python hears of it when a stroke has ended.

const SIDE = 28;
const PEN = 1.9; // radius in pixels of the pen, and of the eraser
const SOFT = 0.6; // pixels over which a stroke's edge fades
const UNDOS = 50;
const REST = 700; // milliseconds without a key until a stroke drawn by keyboard is told
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const pads = new WeakMap();

function createPad(root, start) {
  const canvas = el("canvas", { width: SIDE, height: SIDE, tabindex: "0", role: "application",
    "aria-label": "Drawing pad, 28 by 28 pixels. Arrow keys move the pen, space puts it down or lifts it, E changes to the eraser, Control Z undoes, Delete clears." });
  const cursor = el("i", { class: "cursor", "aria-hidden": "true", hidden: "" });
  const pen = tool("Pen", "Draw (P)"), eraser = tool("Eraser", "Erase (E)");
  const undo = tool("Undo", "Undo (Ctrl+Z)"), clear = tool("Clear", "Clear (Delete)");
  const said = el("span", { class: "said", "aria-live": "polite" });
  const hint = el("span", { class: "hint", "aria-hidden": "true" }, "Draw here");
  root.replaceChildren(el("div", { class: "board" }, canvas, hint, cursor), el("div", { class: "tools" }, pen, eraser, undo, clear), said);
  const context = canvas.getContext("2d");
  const image = new ImageData(SIDE, SIDE);
  const pixels = new Uint32Array(image.data.buffer);
  const pad = { commit: () => {} };
  const state = { values: Uint8Array.from(start ?? { length: SIDE * SIDE }), past: [], erasing: false, last: null, at: [14, 14], down: false, rest: 0, told: "" };
  state.told = state.values.join();

  function tool(name, title) {
    return el("button", { type: "button", title }, name);
  }

  function paint() {
    state.values.forEach((value, i) => { pixels[i] = pack32([value, value, value]); });
    context.putImageData(image, 0, 0);
    undo.disabled = !state.past.length;
    clear.disabled = !state.values.some(Boolean);
    hint.hidden = !clear.disabled;
    pen.setAttribute("aria-pressed", String(!state.erasing));
    eraser.setAttribute("aria-pressed", String(state.erasing));
    cursor.style.left = `${((state.at[0] + 0.5) / SIDE) * 100}%`;
    cursor.style.top = `${((state.at[1] + 0.5) / SIDE) * 100}%`;
    cursor.classList.toggle("down", state.down);
    root.dataset.ink = String(state.values.reduce((sum, value) => sum + (value > 0), 0));
  }

  // Everything within the pen's reach of the way from one point to another, in pixels from the corner.
  function stroke([xa, ya], [xb, yb]) {
    const length = (xb - xa) ** 2 + (yb - ya) ** 2;
    for (let y = 0, i = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++, i++) {
        const [px, py] = [x + 0.5, y + 0.5];
        const share = length ? Math.max(0, Math.min(1, ((px - xa) * (xb - xa) + (py - ya) * (yb - ya)) / length)) : 0;
        const far = Math.hypot(px - xa - share * (xb - xa), py - ya - share * (yb - ya));
        const ink = Math.round(255 * Math.max(0, Math.min(1, (PEN + SOFT - far) / (2 * SOFT))));
        state.values[i] = state.erasing ? Math.min(state.values[i], 255 - ink) : Math.max(state.values[i], ink);
      }
    }
  }

  function remember() {
    state.past.push(state.values.slice());
    if (state.past.length > UNDOS) state.past.shift();
  }

  function tell() {
    clearTimeout(state.rest);
    paint();
    const now = state.values.join();
    if (now === state.told) return;
    state.told = now;
    pad.commit(Array.from(state.values));
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  canvas.onpointerdown = (event) => {
    if (event.button !== 0 || state.last) return;
    canvas.setPointerCapture(event.pointerId);
    cursor.hidden = true;
    state.down = false;
    remember();
    state.last = place(event);
    stroke(state.last, state.last);
    paint();
  };
  canvas.onpointermove = (event) => {
    if (!state.last) return;
    for (const passed of event.getCoalescedEvents?.() ?? [event]) {
      const next = place(passed);
      stroke(state.last, next);
      state.last = next;
    }
    paint();
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!state.last) return;
    state.last = null;
    tell();
  };

  function choose(erasing) {
    state.erasing = erasing;
    setText(said, erasing ? "Eraser" : "Pen");
    paint();
  }
  pen.onclick = () => choose(false);
  eraser.onclick = () => choose(true);
  undo.onclick = () => {
    if (!state.past.length) return;
    state.values = state.past.pop();
    tell();
  };
  clear.onclick = () => {
    if (!state.values.some(Boolean)) return;
    remember();
    state.values = new Uint8Array(SIDE * SIDE);
    tell();
  };

  function lift(down) {
    state.down = down;
    setText(said, down ? "Down: arrow keys draw" : "Lifted");
    if (!down) return tell();
    remember();
    const dot = state.at.map((value) => value + 0.5);
    stroke(dot, dot);
    paint();
  }

  function move([dx, dy]) {
    const clip = (value) => Math.max(0, Math.min(SIDE - 1, value));
    const before = state.at;
    state.at = [clip(before[0] + dx), clip(before[1] + dy)];
    if (state.down) {
      stroke(before.map((value) => value + 0.5), state.at.map((value) => value + 0.5));
      clearTimeout(state.rest);
      state.rest = setTimeout(tell, REST);
    }
    paint();
  }

  root.onkeydown = (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const onPad = event.target === canvas;
    if ((event.ctrlKey || event.metaKey) && key === "z") undo.click();
    else if (event.ctrlKey || event.metaKey || event.altKey || !onPad) return;
    else if (KEYS[key]) move(KEYS[key]);
    else if (key === " ") { if (!event.repeat) lift(!state.down); }
    else if (key === "e") choose(true);
    else if (key === "p") choose(false);
    else if (key === "Delete" || key === "Backspace") clear.click();
    else return;
    if (onPad && key !== "Delete") cursor.hidden = false;
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.onblur = () => {
    cursor.hidden = true;
    if (state.down) lift(false);
  };
  canvas.onfocus = () => { cursor.hidden = !canvas.matches(":focus-visible"); };
  pad.destroy = () => clearTimeout(state.rest);
  paint();
  return pad;
}

export default function mount({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".pad");
  if (!root) return;
  if (!pads.has(root)) pads.set(root, createPad(root, data?.start));
  const pad = pads.get(root);
  pad.commit = (values) => setStateValue("drawing", values);
  return () => { pad.destroy(); pads.delete(root); };
}
