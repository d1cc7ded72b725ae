// A score over ε, a line a model: the attack thick, a stronger one and the noise control thin. A ring marks up to where ACC holds.

const LOOKS = {
  attack: { width: 2.8, opacity: 1, sign: null, dash: null },
  stronger: { width: 1.6, opacity: 1, sign: "✕", dash: "3 3" },
  noise: { width: 1.5, opacity: 0.85, sign: "▫", dash: "1 4" },
};
const SWITCHES = { stronger: "Stronger attack", noise: "Noise control" };

function createLines(panel, stage) {
  const plot = createPlot(panel, stage, { shape: 0.5, tallest: 340 });
  const key = el("div", { class: "legend" });
  const measures = el("div", { class: "choice", role: "group", "aria-label": "Score" });
  const switches = el("div", { class: "choice", role: "group", "aria-label": "Lines" });
  panel.append(el("div", { class: "choices" }, measures, switches), plot.drawing, key);
  const hidden = new Set();
  let scene, colors, measure = "ACC";

  function line(column, { role, values }) {
    const look = LOOKS[role];
    const [color, numbers] = [colors[column.model], values[measure]];
    const group = svg("g", { opacity: look.opacity });
    group.append(...plot.line(numbers, { color, width: look.width, dash: look.dash ?? column.dash, sign: look.sign ?? column.sign, class: `shape ${role}` }));
    if (role === "attack" && measure === "ACC" && numbers.length > 1 && column.held > 0) {
      const [cx, cy] = [plot.x(column.held), plot.y(numbers[column.held])];
      group.append(svg("circle", { class: "held", cx, cy, r: 10, fill: "none", stroke: color, "stroke-width": 2.2 }));
    }
    return group;
  }

  function said(column) {
    const attack = column.lines.find(({ role }) => role === "attack").values[measure];
    return `${column.name} from ${attack[0].toFixed(2)} to ${attack[attack.length - 1].toFixed(2)}`;
  }

  function build(nextScene, nextColors) {
    [scene, colors] = [nextScene, nextColors];
    const columns = scene.columns.filter(({ lines }) => lines?.length);
    const roles = ["noise", "stronger", "attack"].filter((role) => !hidden.has(role));
    const content = () => roles.flatMap((role) => columns.flatMap((column) =>
      column.lines.filter((one) => one.role === role).map((one) => line(column, one))));
    plot.draw(scene, content, `${measure} over ε under ${scene.attack}: ${columns.map(said).join("; ")}`);
    choices(columns);
    const entry = (sign, color, text) => el("span", { style: `--c:${color}` }, el("em", {}, sign), text);
    const names = Object.fromEntries(columns.flatMap(({ lines }) => lines.map(({ role, name }) => [role, name])));
    key.replaceChildren(...columns.map((column) => entry(column.sign, colors[column.model], `${column.name}, ${scene.attack}`)),
      ...Object.keys(SWITCHES).filter((role) => names[role] && !hidden.has(role)).map((role) => entry(LOOKS[role].sign, colors.text, `thin: ${names[role]}`)),
      ...(measure === "ACC" && scene.frames > 1 ? [entry("◯", colors.text, "holds up to here")] : []));
  }

  function choices(columns) {
    const roles = new Set(columns.flatMap(({ lines }) => lines.map(({ role }) => role)));
    const scores = Object.keys(columns[0]?.lines[0].values ?? {});
    fillChoice(measures, scores.map((name) => [name, name === measure, () => { measure = name; }]), () => build(scene, colors));
    fillChoice(switches, Object.entries(SWITCHES).filter(([role]) => roles.has(role)).map(([role, text]) =>
      [text, !hidden.has(role), () => (hidden.has(role) ? hidden.delete(role) : hidden.add(role))]), () => build(scene, colors));
  }

  return { build, paint: plot.go, drawing: plot.drawing };
}
