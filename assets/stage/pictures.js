// The picture strip: one card a sample, one row a view: clean, signed perturbation, adversarial. Pixels stay pixels.

const SMALLEST = 120; // CSS pixels of a row of three pictures

const ORDERS = { first: "first to move", last: "last to move", label: "by label", drawn: "as drawn" };

function createPictures(panel, stage, fileName) {
  const note = el("p", { class: "note" });
  const scale = el("span", { class: "scale", "aria-hidden": "true" });
  const key = el("p", { class: "key" });
  const list = el("div", { class: "cards", tabindex: "-1" });
  const nothing = el("p", { class: "note", hidden: "" }, "None of these samples is among the pictures.");
  const order = el("select", { "aria-label": "Order of the pictures" },
    ...Object.entries(ORDERS).map(([value, text]) => el("option", { value }, text)));
  const watch = el("button", { type: "button", class: "watch", hidden: "" }, "Watch it step by step →");
  watch.onclick = () => stage.watch();
  panel.tools.append(order, exporter(() => sheet(), fileName, ["PNG"]));
  panel.append(el("div", { class: "head" }, key, watch), list, note);
  let scene, cards = [], rows = [], built = "", moves = [];

  function card(place) {
    const names = [el("span", { class: "was" }), el("span"), el("span", { class: "now" })];
    const canvases = scene.views.map((_, view) => {
      const [, height, width] = scene.shapes[view];
      const canvas = el("canvas", { width: 3 * width + 2 * GAP, height });
      canvas.style.width = `calc(var(--zoom) * ${canvas.width}px)`;
      return canvas;
    });
    const when = el("span", { class: "when" });
    const node = el("button", { type: "button", class: "card" }, el("span", { class: "names" }, ...names), ...canvases, when);
    node.onclick = () => stage.select(scene.shown[place]);
    node.onpointerenter = () => stage.hover(scene.shown[place]);
    node.onpointerleave = () => stage.hover(null);
    return { node, place, when, before: names[0], after: names[2], canvases, contexts: canvases.map((c) => c.getContext("2d")) };
  }

  function build(next) {
    scene = next;
    const shape = JSON.stringify([scene.shapes, scene.shown.length]);
    if (shape !== built) layOut();
    built = shape;
    list.classList.toggle("long", scene.clusters.some((name) => name.length > 4));
    const rowsText = scene.views.map((name, v) => (scene.attacked.includes(v) ? name : `${name} (not attacked)`));
    const how = scene.shown.length < scene.n ? ` Pictures of ${scene.shown.length} of the ${scene.n} samples${scene.picked ? ", selected ones first" : ""}.` : "";
    note.textContent = `Rows of a card: ${rowsText.join(", ")}. Above: its cluster, clean and now; ▲ moved. `
      + `Below: the smallest ${scene.symbol} of the grid that moves it.${how}`;
    moves = scene.shown.map((sample) => {
      for (let f = 1; f < scene.frames; f++) if (hasMoved(scene, f, sample)) return f;
      return scene.total;
    });
    cards.forEach(({ place, when }) => setText(when, moves[place] < scene.total ? `moves at ${epsilonText(scene.epsilons[moves[place]])}`
      : scene.frames > 1 ? "does not move" : ""));
    arrange();
  }

  function arrange() {
    const { value } = order;
    const rank = (place) => ({ first: moves[place], last: moves[place] < scene.total ? -moves[place] : 1, label: scene.labels[scene.shown[place]], drawn: scene.shown[place] }[value]);
    const sorted = cards.map(({ place }) => place).sort((a, b) => rank(a) - rank(b) || a - b);
    const wanted = sorted.map((place) => cards[place].node);
    const there = [...list.querySelectorAll(".card")];
    if (wanted.some((node, i) => node !== there[i])) list.append(...wanted);
  }
  order.onchange = arrange;

  // The cards as they are shown, on one canvas.
  function sheet() {
    const shown = [...list.querySelectorAll(".card")].map((node) => cards.find((card) => card.node === node)).filter(({ node }) => !node.hidden);
    const zoom = 4;
    const [wide, high] = [Math.max(...rows.map(({ image }) => image.width)) * zoom + 12, rows.reduce((sum, { image }) => sum + image.height * zoom + 4, 24)];
    const across = Math.min(6, shown.length || 1);
    const canvas = el("canvas", { width: across * wide, height: Math.ceil(shown.length / across) * high || 1 });
    const c = canvas.getContext("2d");
    c.imageSmoothingEnabled = false;
    c.fillStyle = "#fff";
    c.fillRect(0, 0, canvas.width, canvas.height);
    c.font = "bold 15px sans-serif";
    shown.forEach((card, i) => {
      const [x, y] = [(i % across) * wide + 6, Math.floor(i / across) * high];
      c.fillStyle = "#111";
      c.fillText(`${card.before.textContent}  →  ${card.after.textContent}`, x, y + 17);
      let down = y + 24;
      card.canvases.forEach((source) => {
        c.drawImage(source, x, down, source.width * zoom, source.height * zoom);
        down += source.height * zoom + 4;
      });
    });
    return canvas;
  }

  // The largest whole magnification at which three cards fit side by side (two on a phone), but none too small to see.
  function zoom() {
    if (!rows.length) return;
    const across = list.clientWidth < 480 ? 2 : 3;
    const room = (list.clientWidth - 4 - 6 * (across - 1)) / across - 10;
    const widest = Math.max(...rows.map(({ image }) => image.width));
    const chosen = Math.max(Math.ceil(SMALLEST / widest), Math.floor(room / widest));
    list.style.setProperty("--zoom", String(chosen));
    list.style.setProperty("--card", `${chosen * widest + 10}px`);
  }
  const watcher = new ResizeObserver(zoom);
  watcher.observe(list);

  function layOut() {
    rows = scene.views.map((_, view) => pixelRow(scene, view));
    cards = scene.shown.map((_, place) => card(place));
    list.replaceChildren(nothing, ...cards.map(({ node }) => node));
    zoom();
    list.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const nodes = [...list.querySelectorAll(".card")].filter((node) => !node.hidden);
      const at = nodes.indexOf(list.getRootNode().activeElement);
      if (step && at >= 0) nodes[at + step]?.focus();
    };
    key.replaceChildren(
      el("span", { class: "key-clean" }, scene.triple[0]), ` · ${scene.triple[1]} `, scale, " · ",
      el("span", { class: "key-adversarial" }, scene.triple[2]),
    );
  }

  function paint(frame, chosen) {
    const reach = scene.reach[frame];
    const colors = divergingTable(scene, reach);
    setText(scale, reach > 0 ? `−${epsilonText(reach)} to +${epsilonText(reach)}, ×${(1 / reach).toPrecision(2)}` : "none");
    nothing.hidden = false;
    cards.forEach((card, place) => {
      const sample = scene.shown[place];
      const moved = hasMoved(scene, frame, sample);
      const [before, after] = [scene.assigned[sample], clusterAt(scene, frame, sample)].map((k) => scene.clusters[k]);
      card.node.hidden = chosen !== null && !chosen.has(sample);
      card.node.classList.toggle("moved", moved);
      setText(card.before, before);
      setText(card.after, moved ? `▲ ${after}` : after);
      card.node.setAttribute("aria-label", `Sample ${scene.index[sample]}, label ${scene.classes[scene.labels[sample]]}: `
        + `cluster ${before}${moved ? `, now ${after}` : ", unmoved"}`);
      if (card.node.hidden) return;
      nothing.hidden = true;
      card.contexts.forEach((context, view) => {
        fillRow(scene, view, place, frame, rows[view], colors);
        context.putImageData(rows[view].image, 0, 0);
      });
    });
  }

  function mark(selected, hovered) {
    watch.hidden = selected === null || !scene.steps;
    cards.forEach(({ node }, place) => {
      const sample = scene.shown[place];
      node.setAttribute("aria-pressed", String(sample === selected));
      node.classList.toggle("hovered", sample === hovered);
    });
    return { reveal() {
      const node = cards[scene.rank.get(selected)]?.node;
      if (node) list.scrollTo({ top: node.offsetTop - list.offsetTop - 8, behavior: "smooth" });
    } };
  }

  return { build, paint, mark, destroy: () => watcher.disconnect() };
}
