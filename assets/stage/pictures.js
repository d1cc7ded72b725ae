// The picture strip: one card a sample, one row a view: clean, signed perturbation, adversarial. Pixels stay pixels.

const GAP = 2; // source pixels between two pictures of a row
const SMALLEST = 120; // CSS pixels of a row of three pictures

const GREY = Uint32Array.from({ length: 256 }, (_, value) => pack32([value, value, value]));

// Colour of each int8 perturbation value, on a scale symmetric about 0 that ends at ±reach.
function divergingTable(scene, reach) {
  const stops = scene.diverging.map(rgb);
  const table = new Uint32Array(256);
  for (let value = -128; value < 128; value++) {
    const share = reach > 0 ? Math.max(-1, Math.min(1, (value * scene.deltaScale) / reach)) : 0;
    const place = ((share + 1) / 2) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    const mix = stops[low].map((c, i) => Math.round(c + (stops[low + 1][i] - c) * (place - low)));
    table[value & 255] = pack32(mix);
  }
  return table;
}

function pixelRow(scene, view) {
  const [, height, width] = scene.shapes[view];
  const image = new ImageData(3 * width + 2 * GAP, height);
  return { image, pixels: new Uint32Array(image.data.buffer) };
}

// Fill one view's row for the sample at `place` of the strip; `colors` is a divergingTable.
function fillRow(scene, view, place, frame, row, colors) {
  const [channels, height, width] = scene.shapes[view];
  const size = height * width;
  const clean = scene[`clean${view}`];
  const delta = frame > 0 ? scene[`delta${view}`] : null;
  const from = place * channels * size;
  const step = frame > 0 ? ((frame - 1) * scene.shown.length + place) * channels * size : 0;
  const unit = scene.deltaScale * 255;
  const values = [0, 0, 0];
  for (let y = 0, at = 0; y < height; y++) {
    let out = y * row.image.width;
    for (let x = 0; x < width; x++, at++, out++) {
      let mean = 0;
      for (let c = 0; c < channels; c++) {
        const d = delta ? delta[step + c * size + at] : 0;
        mean += d;
        values[c] = Math.max(0, Math.min(255, Math.round(clean[from + c * size + at] + d * unit)));
      }
      const base = clean[from + at];
      row.pixels[out] = channels === 1
        ? GREY[base] : pack32([base, clean[from + size + at], clean[from + 2 * size + at]]);
      row.pixels[out + width + GAP] = colors[Math.round(mean / channels) & 255];
      row.pixels[out + 2 * (width + GAP)] = channels === 1 ? GREY[values[0]] : pack32(values);
    }
  }
}

function createPictures(panel, stage, chip) {
  const note = el("p", { class: "note" });
  const scale = el("span", { class: "scale", "aria-hidden": "true" });
  const key = el("p", { class: "key" });
  const list = el("div", { class: "cards", tabindex: "-1" });
  const nothing = el("p", { class: "note", hidden: "" }, "None of these samples is among the pictures.");
  panel.append(el("div", { class: "head" }, key, chip), list, note);
  let scene, cards = [], rows = [], built = "";

  function card(place) {
    const names = [el("span", { class: "was" }), el("span"), el("span", { class: "now" })];
    const canvases = scene.views.map((_, view) => {
      const [, height, width] = scene.shapes[view];
      const canvas = el("canvas", { width: 3 * width + 2 * GAP, height });
      canvas.style.width = `calc(var(--zoom) * ${canvas.width}px)`;
      return canvas;
    });
    const node = el("button", { type: "button", class: "card" }, el("span", { class: "names" }, ...names), ...canvases);
    node.onclick = () => stage.select(scene.shown[place]);
    node.onpointerenter = () => stage.hover(scene.shown[place]);
    node.onpointerleave = () => stage.hover(null);
    return { node, before: names[0], after: names[2], contexts: canvases.map((c) => c.getContext("2d")) };
  }

  function build(next) {
    scene = next;
    const shape = JSON.stringify([scene.shapes, scene.shown.length]);
    if (shape !== built) layOut();
    built = shape;
    list.classList.toggle("long", scene.clusters.some((name) => name.length > 4));
    const rowsText = scene.views.map((name, v) => (scene.attacked.includes(v) ? name : `${name} (not attacked)`));
    const how = scene.shown.length < scene.n ? `${scene.shown.length} of ${scene.n} samples drawn at random` : "";
    note.textContent = `Rows of a card: ${rowsText.join(", ")}. Above: its cluster, clean and now; `
      + `▲ moved to another cluster.${how ? ` ${how}, first to move first.` : ""}`;
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
      const at = cards.findIndex(({ node }) => node === list.getRootNode().activeElement);
      if (step && cards[at + step]) cards[at + step].node.focus();
    };
    key.replaceChildren(
      el("span", { class: "key-clean" }, "clean"), " · perturbation ", scale, " · ",
      el("span", { class: "key-adversarial" }, "adversarial"),
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
