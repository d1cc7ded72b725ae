// A score over ε: the attack (ACC with both matchings), its controls, and where we are.

const SHAPES = { attack: "●", rematched: "○", noise: "■", untrained_generator: "▲" };

function createCurve(panel, stage) {
  const picture = svg("svg", { role: "img" });
  const key = el("p", { class: "legend" });
  const choice = el("div", { class: "choice", role: "group", "aria-label": "Score" });
  panel.append(choice, picture, key);
  let measure = "ACC", shown = 0;
  const [left, right, top, bottom] = [34, 10, 8, 34];
  let scene, colors, width, height, cursor;
  const x = (f) => left + (f / (scene.total - 1)) * (width - left - right);
  const y = (v) => top + (1 - v) * (height - top - bottom);

  function axes() {
    const parts = [0, 0.5, 1].flatMap((v) => [
      svg("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }),
      svg("text", { class: "axis", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, v.toFixed(1)),
    ]);
    const last = scene.total - 1;
    for (const f of [0, Math.round(last / 2), last]) {
      parts.push(svg("text", { class: "axis", x: x(f), y: height - 17, "text-anchor": f === last ? "end" : f ? "middle" : "start" },
        epsilonText(scene.epsilons[f])));
    }
    parts.push(svg("text", { class: "axis", x: (left + width - right) / 2, y: height - 2, "text-anchor": "middle" }, "ε"));
    return parts;
  }

  function line({ role, values }) {
    const color = roleColor(colors, role);
    const points = values.map((v, f) => `${x(f)},${y(v)}`).join(" ");
    const dash = { rematched: "5 4", untrained_generator: "2 3" }[role] ?? "";
    const shapes = values.map((v, f) => svg("text", {
      class: "shape", x: x(f), y: y(v), fill: color, "text-anchor": "middle", "dominant-baseline": "central",
    }, SHAPES[role] ?? "●"));
    const thick = role === "attack" ? 2.6 : 1.6;
    return [svg("polyline", { points, fill: "none", stroke: color, "stroke-width": thick, "stroke-dasharray": dash }), ...shapes];
  }

  function build(nextScene, nextColors) {
    [scene, colors] = [nextScene, nextColors];
    width = Math.max(200, panel.clientWidth - 2);
    height = Math.max(190, Math.min(320, width * 0.72));
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    cursor = svg("line", { class: "cursor", y1: top, y2: height - bottom });
    const lines = scene.lines.filter(({ values }) => values[measure]).map((line) => ({ ...line, values: line.values[measure] }));
    picture.setAttribute("aria-label", `${measure} over ε, the attack beside its controls`);
    picture.replaceChildren(...axes(), cursor, ...[...lines].reverse().flatMap(line));
    choose();
    const names = { attack: `${scene.attack}`, rematched: `${scene.attack}, re-matched` };
    key.replaceChildren(...lines.map(({ role, name }) => el("span", { style: `--c:${roleColor(colors, role)}` },
      el("em", {}, SHAPES[role] ?? "●"), names[role] ?? name.replace(/_/g, " "))));
  }

  function choose() {
    choice.replaceChildren(...Object.keys(scene.lines[0].values).map((name) => {
      const button = el("button", { type: "button", "aria-pressed": String(name === measure) }, name);
      button.onclick = () => {
        measure = name;
        build(scene, colors);
        paint(shown);
        [...choice.children].find((other) => other.textContent === name).focus();
      };
      return button;
    }));
  }

  picture.onclick = (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    stage.grab(Math.round(((at - left) / (width - left - right)) * (scene.total - 1)));
  };

  function paint(frame) {
    shown = frame;
    cursor.setAttribute("x1", x(frame));
    cursor.setAttribute("x2", x(frame));
  }
  return { build, paint, drawing: picture };
}
