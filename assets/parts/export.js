// Taking a figure home: a canvas as PNG, a drawing as SVG or PNG, a table as CSV, SVG or PNG. Nothing leaves the machine.

const SVG = "http://www.w3.org/2000/svg";
const PRINTED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family", "font-weight", "text-anchor",
  "dominant-baseline", "opacity", "fill-opacity", "stroke-opacity"];
const SCALE = 2; // PNG pixels a CSS pixel

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const saveCanvas = (canvas, name) => canvas.toBlob((blob) => save(blob, `${name}.png`));
const saveText = (text, name, kind) => save(new Blob([text], { type: kind }), name);

// A drawing with the looks the page's style sheet gives it, on the page's background.
function standalone(drawing, background) {
  const [copy, box] = [drawing.cloneNode(true), drawing.getBoundingClientRect()];
  const originals = drawing.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((node, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of PRINTED) node.setAttribute(name, style.getPropertyValue(name));
  });
  const view = drawing.getAttribute("viewBox") ?? `0 0 ${box.width} ${box.height}`;
  const [, , width, height] = view.split(" ").map(Number);
  for (const [name, value] of Object.entries({ xmlns: SVG, width, height, viewBox: view })) copy.setAttribute(name, value);
  copy.prepend(svg("rect", { width, height, fill: background }));
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

// A table as a drawing: its cells where the page shows them.
function drawTable(table) {
  const outer = table.getBoundingClientRect();
  const drawing = svg("svg", { viewBox: `0 0 ${Math.ceil(outer.width)} ${Math.ceil(outer.height)}` });
  for (const cell of table.querySelectorAll("th, td")) {
    const [box, style] = [cell.getBoundingClientRect(), getComputedStyle(cell)];
    const [x, y] = [box.left - outer.left, box.top - outer.top];
    const border = style.borderBottomWidth === "0px" ? "none" : style.borderBottomColor;
    drawing.append(svg("rect", { x, y, width: box.width, height: box.height, fill: style.backgroundColor, stroke: border }));
    const anchor = { left: "start", right: "end", start: "start", end: "end" }[style.textAlign] ?? "middle";
    const at = { start: 8, middle: box.width / 2, end: box.width - 8 }[anchor];
    drawing.append(svg("text", { x: x + at, y: y + box.height / 2 + 5, "text-anchor": anchor, fill: style.color,
      "font-size": style.fontSize, "font-family": style.fontFamily, "font-weight": style.fontWeight }, cell.innerText.trim()));
  }
  return drawing;
}

function tableText(table) {
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  return Array.from(table.rows, (row) => Array.from(row.cells, (cell) => quote(cell.innerText.trim())).join(",")).join("\n") + "\n";
}

function saveDrawing({ text, width, height }, name, kind) {
  if (kind === "SVG") return saveText(text, `${name}.svg`, "image/svg+xml");
  const [picture, canvas] = [new Image(), el("canvas", { width: SCALE * width, height: SCALE * height })];
  picture.onload = () => {
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    saveCanvas(canvas, name);
  };
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

// Small buttons behind a panel's title. `figure()` gives a canvas, an <svg> or a <table>; `title` names the file.
function exporter(figure, title, kinds) {
  const take = (kind) => {
    const found = figure();
    const node = found instanceof HTMLTableElement && kind !== "CSV" ? drawTable(found) : found;
    const page = getComputedStyle(found.closest(".lab") ?? document.body);
    if (node instanceof HTMLCanvasElement) saveCanvas(node, title());
    else if (kind === "CSV") saveText(tableText(found), `${title()}.csv`, "text/csv");
    else saveDrawing(drawn(node, page), title(), kind);
  };
  return el("span", { class: "exports" }, ...kinds.map((kind) => {
    const button = el("button", { type: "button", title: `Save as ${kind}` }, kind);
    button.onclick = () => take(kind);
    return button;
  }));
}

// A drawing that is on the page takes its looks from there; one made for this carries them already.
function drawn(node, page) {
  const background = page.getPropertyValue("--st-background-color") || "#fff";
  if (node.isConnected) return standalone(node, background);
  const [, , width, height] = node.getAttribute("viewBox").split(" ").map(Number);
  node.setAttribute("xmlns", SVG);
  node.setAttribute("width", width);
  node.setAttribute("height", height);
  node.prepend(svg("rect", { width, height, fill: background }));
  return { text: new XMLSerializer().serializeToString(node), width, height };
}
