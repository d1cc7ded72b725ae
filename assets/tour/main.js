// The tour: a card beside the control it speaks of, and a ring around that. It comes by itself once, and Esc ends it.

const tours = new WeakMap();
const [SEEN, ASKED] = ["lab-tour-seen", "lab-tour-asked"];
const [CARD, MARGIN, RING] = [340, 14, 6]; // CSS pixels: width of the card, its distance from things, of the ring
const PATIENCE = 900; // milliseconds until the page has settled

function recall(store, key) {
  try { return window[store].getItem(key); } catch { return "unknown"; } // a browser that keeps nothing is left in peace
}

function keep(store, key, value) {
  try { window[store].setItem(key, value); } catch { /* asked again next time */ }
}

function isShown(node) {
  const { width, right } = node.getBoundingClientRect();
  return width > 0 && right > 0;
}

// The control a card speaks of; `inside` is a part of a component, behind its shadow.
function find({ target, inside }) {
  const outer = Array.from(document.querySelectorAll(target)).find(isShown);
  if (!outer || !inside) return outer;
  for (const node of outer.querySelectorAll("*")) {
    const part = node.shadowRoot?.querySelector(inside);
    if (part) return part;
  }
  return outer.querySelector(inside) ?? outer;
}

function createTour(root) {
  const title = el("h3", { id: "tour-title" });
  const text = el("p", { "aria-live": "polite" });
  const count = el("span", { class: "count" });
  const [skip, back, next] = ["Skip", "Back", "Next"].map((name) => el("button", { type: "button" }, name));
  next.className = "primary";
  const card = el("div", { class: "tour-card", popover: "manual", role: "dialog", "aria-labelledby": "tour-title" },
    title, text, el("div", { class: "foot" }, count, skip, back, next));
  const ring = el("div", { class: "ring", popover: "manual", "aria-hidden": "true" });
  root.replaceChildren(ring, card);
  const state = { cards: [], at: 0, open: false, request: 0, waiting: 0 };

  function place() {
    const found = find(state.cards[state.at]);
    ring.hidden = !found;
    const height = card.offsetHeight;
    let [left, top] = [window.innerWidth - CARD - MARGIN, window.innerHeight - height - MARGIN];
    if (found) {
      const box = found.getBoundingClientRect();
      ring.style.left = `${box.left - RING}px`;
      ring.style.top = `${box.top - RING}px`;
      ring.style.width = `${box.width + 2 * RING}px`;
      ring.style.height = `${box.height + 2 * RING}px`;
      const below = box.bottom + RING + MARGIN;
      left = Math.min(box.left, left);
      top = below + height < window.innerHeight ? below : Math.max(MARGIN, box.top - height - RING - MARGIN);
    }
    card.style.left = `${Math.max(MARGIN, left)}px`;
    card.style.top = `${top}px`;
    state.request = requestAnimationFrame(place);
  }

  function show(at) {
    state.at = at;
    setText(title, state.cards[at].title);
    setText(text, state.cards[at].text);
    setText(count, `${at + 1} of ${state.cards.length}`);
    back.disabled = at === 0;
    setText(next, at + 1 < state.cards.length ? "Next" : "Done");
    find(state.cards[at])?.scrollIntoView({ block: "nearest", behavior: "smooth" });
    root.dataset.stop = String(at + 1);
  }

  function close() {
    clearTimeout(state.waiting);
    if (!state.open) return;
    state.open = false;
    cancelAnimationFrame(state.request);
    document.removeEventListener("keydown", onKey);
    ring.hidePopover();
    card.hidePopover();
    delete root.dataset.stop;
  }

  function onKey(event) {
    if (event.key === "Escape") close();
  }

  function open() {
    if (state.open) return;
    state.open = true;
    keep("localStorage", SEEN, "1");
    ring.showPopover();
    card.showPopover();
    document.addEventListener("keydown", onKey);
    show(0);
    place();
    next.focus();
  }

  skip.onclick = close;
  back.onclick = () => show(state.at - 1);
  next.onclick = () => (state.at + 1 < state.cards.length ? show(state.at + 1) : close());

  return {
    update({ cards, first, asked }) {
      state.cards = cards;
      const isAsked = asked && recall("sessionStorage", ASKED) !== asked;
      const isFirst = first && recall("localStorage", SEEN) === null;
      if (state.open || !(isAsked || isFirst) || !card.showPopover) return;
      if (isAsked) keep("sessionStorage", ASKED, asked);
      clearTimeout(state.waiting);
      state.waiting = setTimeout(open, PATIENCE);
    },
    destroy: close,
  };
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".tour");
  if (!root || !data) return;
  if (!tours.has(root)) tours.set(root, createTour(root));
  tours.get(root).update(data);
  return () => { tours.get(root)?.destroy(); tours.delete(root); };
}
