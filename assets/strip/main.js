// A strip of clean samples to choose from: a click follows one, with Compare on it joins the others.

const MOST = 4;
const SIZE = 34; // CSS pixels of a square picture
const strips = new WeakMap();

function createStrip(root) {
  const compare = el("button", { type: "button", "aria-pressed": "false", title: `Follow up to ${MOST} samples side by side (or hold Shift)` }, "Compare");
  const hint = el("span", { class: "hint" });
  const list = el("div", { class: "thumbs", role: "group", "aria-label": "Samples to follow" });
  root.replaceChildren(el("div", { class: "strip-head" }, hint, el("span", { class: "tools" }, compare)), list);
  const state = { scene: null, chosen: [] };
  const strip = { commit: () => {} };

  function choose(place, joins) {
    let chosen = [place];
    if (joins && state.chosen.includes(place)) chosen = state.chosen.filter((other) => other !== place);
    else if (joins) chosen = [...state.chosen, place].slice(-MOST);
    if (chosen.length) strip.commit(chosen);
  }

  function button(row) {
    const place = state.scene.index[row];
    const picture = thumb(state.scene, row);
    picture.style.height = `${SIZE * Math.max(1, Math.min(1.6, picture.height / picture.width))}px`;
    const node = el("button", { type: "button", class: "pick", title: state.scene.names[row] }, picture, el("span", {}, String(place)));
    node.setAttribute("aria-label", `Sample ${place}, ${state.scene.names[row]}`);
    node.onclick = (event) => choose(place, event.shiftKey || compare.getAttribute("aria-pressed") === "true");
    return node;
  }

  compare.onclick = () => compare.setAttribute("aria-pressed", String(compare.getAttribute("aria-pressed") !== "true"));

  strip.update = (bytes) => {
    const scene = decode(bytes);
    if (state.scene?.id !== scene.id) {
      state.scene = scene;
      list.replaceChildren(...scene.index.map((_, row) => button(row)));
    }
    state.chosen = scene.chosen;
    if (scene.chosen.length > 1) compare.setAttribute("aria-pressed", "true");
    [...list.children].forEach((node, row) => node.setAttribute("aria-pressed", String(scene.chosen.includes(scene.index[row]))));
    const elsewhere = scene.chosen.filter((place) => !scene.index.includes(place));
    setText(hint, `Follow one of these ${scene.index.length} held-out samples${elsewhere.length ? `; now followed: ${elsewhere.join(", ")}` : ""}.`);
    root.dataset.chosen = scene.chosen.join(",");
  };
  return strip;
}

export default function mount({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip");
  if (!root || !data) return;
  if (!strips.has(root)) strips.set(root, createStrip(root));
  const strip = strips.get(root);
  strip.commit = (chosen) => setTriggerValue("samples", chosen);
  strip.update(data);
  return () => strips.delete(root);
}
