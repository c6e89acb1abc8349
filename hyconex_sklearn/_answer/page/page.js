"use strict";
(() => {
  const LONGEST_LIST = 8; // changes that a sentence can tell; more are easier to read line by line
  const LINES = 100; // of the overview that are drawn at once
  const FILTERS = ["text", "target", "status", "feature"];
  const byId = (id) => document.getElementById(id);
  const content = JSON.parse(byId("content").textContent);
  const total = content.rows.reduce((sum, row) => sum + row.answers.length, 0);
  let shown = []; // [row, the answers of it that the filters let pass], only where there are any
  let chosen = null; // the row that the reader chose last, even where the filters hide it
  let lines = []; // of the overview: [row, answer], in order
  let drawn = 0; // lines of the overview that are on the page
  const order = { by: -1, back: false }; // column of the overview that sorts it; -1: as the rows come

  // Children are nodes or text: nothing from the table is ever read as markup.
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const named = (text) => make("bdi", {}, text);
  const hidden = (text) => make("span", { class: "unseen" }, text);

  // ------------------------------------------------------------------------------------------------ the chosen row

  function pair(before, after) {
    const arrow = make("span", { "aria-hidden": "true", class: "arrow" }, "→");
    return make("span", { class: "pair" },
      make("del", { dir: "auto" }, before), hidden(" becomes "), arrow, make("ins", { dir: "auto" }, after));
  }

  // Places are shares of the axis: old and new value (null where missing), and both ends of the range.
  function bar(places) {
    const [before, after, low, high] = places;
    const track = make("span", { class: "bar", "aria-hidden": "true" });
    const put = (name, start, width) => {
      const part = track.appendChild(make("span", { class: name }));
      part.style.setProperty("--start", start);
      part.style.setProperty("--width", width);
    };
    put("range", low, high - low);
    if (before !== null && after !== null) put("way", Math.min(before, after), Math.abs(after - before));
    if (before !== null) put("before", before, 0);
    if (after !== null) put("after", after, 0);
    return track;
  }

  function change({ feature, old, new: next, bar: places, within }) {
    const { name, range } = content.features[feature];
    const told = pair(old, next);
    if (within) told.append(make("small", { class: "within" }, named(within[0]), `, ${within[1]}`));
    const item = make("li", {}, make("span", { class: "name", dir: "auto" }, name), told);
    if (!places) return item;
    const [where, low, high] = range;
    item.append(make("span", { class: "scale" }, bar(places), make("small", {}, `${where}: ${low} to ${high}`)));
    return item;
  }

  function probability(answer) {
    const item = make("li", { class: "probability" },
      make("span", { class: "name" }, "Probability of ", named(content.targets[answer.target])),
      pair(...answer.probability));
    if (answer.bar) item.append(make("span", { class: "scale" }, bar(answer.bar), make("small", {}, "0 to 1")));
    return item;
  }

  function checks(answer) {
    const names = ["Predicted so", "Common values", "Within the rules"];
    const list = make("dl", { class: "checks" });
    const add = (term, value) => list.append(make("div", {}, make("dt", {}, term), make("dd", {}, value)));
    names.forEach((name, i) => add(name, answer.checks[i] ? "yes" : "no"));
    add("Second opinions that agree", answer.support);
    return list;
  }

  // What is folded away is made when it is first opened: most never is.
  function folded(summary, inside) {
    const details = make("details", {}, make("summary", {}, summary));
    details.addEventListener("toggle", () => details.append(inside()), { once: true });
    return details;
  }

  function badge(answer) {
    const [mark, label] = content.outcomes[answer.status];
    return make("span", { class: `badge ${answer.status}` }, make("span", { "aria-hidden": "true" }, mark), ` ${label}`);
  }

  // Columns x now and each alternative: those that any of them changes, or all.
  function sideBySide(row, answers, all) {
    const changed = answers.map((answer) => new Map(answer.changes.map((one) => [one.feature, one.new])));
    const cell = (text, moved) => make("td", moved ? { class: "moved" } : {}, make("bdi", {}, text));
    const line = (name, cells) => make("tr", {}, make("th", { scope: "row" }, name), ...cells);
    const head = make("tr", {}, make("th", { scope: "col" }, ""), make("th", { scope: "col" }, "now"),
      ...answers.map((_, i) => make("th", { scope: "col" }, String(i + 1))));
    const columns = row.values.flatMap((value, j) => all || changed.some((one) => one.has(j))
      ? [line(named(content.features[j].name),
        [cell(value), ...changed.map((one) => cell(one.get(j) ?? value, one.has(j)))])] : []);
    const told = [
      line("Prediction", [cell(row.prediction), ...answers.map((one) => cell(content.targets[one.target]))]),
      line("Its probability", [cell(""), ...answers.map((one) => cell(one.probability[1]))]),
      line("Outcome", [cell(""), ...answers.map((one) => make("td", {}, badge(one)))]),
    ];
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...columns), make("tfoot", {}, ...told));
  }

  function comparison(row, answers) {
    const label = `All ${counted(row.values.length, "value")}`;
    const all = make("input", { type: "checkbox", id: "all" });
    const holder = make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Side by side" });
    const draw = () => holder.replaceChildren(sideBySide(row, answers, all.checked));
    all.addEventListener("change", draw);
    draw();
    return make("section", { class: "card compare" }, make("h3", {}, "Side by side"), holder,
      make("label", { class: "tick", for: "all" }, all, ` ${label}`));
  }

  function card(row, answer, number) {
    const meaning = content.outcomes[answer.status][2];
    const same = row.answers.filter((other) => other.target === answer.target);
    const which = same.length > 1
      ? make("small", {}, ` (alternative ${same.indexOf(answer) + 1} of ${same.length})`) : "";
    const told = make("p", { class: "sentence" }, answer.sentence);
    return make("section", { class: "card" },
      make("h3", {}, number, "To be predicted as ", named(content.targets[answer.target]), which),
      make("p", { class: "outcome" }, badge(answer), ` ${meaning}`),
      answer.changes.length > LONGEST_LIST ? folded("In one sentence", () => told) : told,
      make("ul", { class: "changes" }, ...answer.changes.map(change), probability(answer)),
      answer.changes.some((one) => one.within) ? make("p", {}, make("small", {}, content.intervals)) : "",
      checks(answer));
  }

  function rangeInWords() {
    const told = content.features.filter((feature) => feature.range).map((feature) => feature.range[0]);
    return `range: ${[...new Set(told)].join(", or ")}`;
  }

  function sheet(row, answers) {
    const left = row.answers.length - answers.length;
    const parts = [
      make("h2", {}, named(row.name)),
      make("p", { class: "prediction" }, "The model predicts ", make("strong", {}, named(row.prediction)), "."),
      make("p", { class: "legend", "aria-hidden": "true" }, make("span", { class: "sample before" }), "now",
        make("span", { class: "sample after" }), "changed",
        make("span", { class: "sample range" }), rangeInWords()),
      comparison(row, answers),
      ...answers.map((answer, i) => card(row, answer, answers.length > 1 ? `${i + 1}. ` : "")),
    ];
    if (left) parts.push(make("p", {}, `The filters hide ${counted(left, "other alternative")} of this row.`));
    parts.push(make("button", { type: "button", class: "print" }, "Print this row"));
    parts.at(-1).addEventListener("click", () => window.print());
    return parts;
  }

  function showRow() {
    const at = byId("row").selectedIndex;
    const none = make("p", {}, "Nothing here is like that. Choose other filters, or “Show all”.");
    byId("sheet").replaceChildren(...(at < 0 ? [none] : sheet(...shown[at])));
    byId("shown").textContent = at < 0 ? "" : `${shown[at][0].name} is shown, predicted ${shown[at][0].prediction}.`;
    // Not `disabled`: a button that has the keyboard's focus would lose it.
    byId("previous").setAttribute("aria-disabled", at <= 0);
    byId("next").setAttribute("aria-disabled", at < 0 || at === shown.length - 1);
  }

  function choose() {
    [chosen] = shown[byId("row").selectedIndex];
    showRow();
  }

  // -------------------------------------------------------------------------------------------------- the overview

  const collator = new Intl.Collator("en", { numeric: true });
  // Name of a column, what it shows of a row and an answer, and what it sorts by.
  const COLUMNS = [
    ["Row", (row) => named(row.name), (row) => row.name],
    ["Now", (row) => named(row.prediction), (row) => row.prediction],
    ["Instead", (_, answer) => named(content.targets[answer.target]), (_, answer) => content.targets[answer.target]],
    ["Changes", (_, answer) => String(answer.changes.length), (_, answer) => answer.changes.length],
    ["Probability", (_, answer) => answer.probability[1], (_, answer) => answer.bar?.[1] ?? -1],
    ["Outcome", (_, answer) => badge(answer), (_, answer) => content.outcomes[answer.status][1]],
  ];

  function compare(a, b) {
    return typeof a === "number" ? a - b : collator.compare(a, b);
  }

  function overview() {
    const told = shown.flatMap(([row, answers]) => answers.map((answer) => [row, answer]));
    if (order.by >= 0) {
      const key = COLUMNS[order.by][2];
      const keyed = told.map((line) => [key(...line), line]).sort(([a], [b]) => (order.back ? compare(b, a) : compare(a, b)));
      lines = keyed.map(([, line]) => line);
    } else lines = told;
    [...byId("sorters").children].forEach((head, i) =>
      head.setAttribute("aria-sort", i !== order.by ? "none" : order.back ? "descending" : "ascending"));
    drawn = 0;
    byId("lines").replaceChildren();
    drawLines();
  }

  function drawLines() {
    const some = lines.slice(drawn, drawn + LINES);
    byId("lines").append(...some.map(([row, answer]) => {
      const [first, ...cells] = COLUMNS.map(([, show]) => show(row, answer));
      const open = make("button", { type: "button", class: "link" }, first);
      open.addEventListener("click", () => visit(row));
      return make("tr", {}, make("th", { scope: "row" }, open), ...cells.map((cell) => make("td", {}, cell)));
    }));
    drawn += some.length;
    byId("more").hidden = drawn === lines.length;
    byId("more").textContent = `Show more (${drawn.toLocaleString("en")} of ${lines.length.toLocaleString("en")} are here)`;
  }

  function visit(row) {
    byId("row").selectedIndex = shown.findIndex(([one]) => one === row);
    choose();
    byId("sheet").focus({ preventScroll: true });
    byId("sheet").scrollIntoView();
  }

  function sorter([name], i) {
    const button = make("button", { type: "button" }, name, make("span", { class: "sign", "aria-hidden": "true" }));
    button.addEventListener("click", () => {
      order.back = order.by === i && !order.back;
      order.by = i;
      overview();
    });
    return make("th", { scope: "col", "aria-sort": "none" }, button);
  }

  // ------------------------------------------------------------------------------------------- choosing, filtering

  function passes(answer, { target, status, feature }) {
    return (!target || answer.target === Number(target))
      && (!status || answer.status === status)
      && (!feature || answer.changes.some((one) => one.feature === Number(feature)));
  }

  function filter() {
    const wanted = Object.fromEntries(FILTERS.map((id) => [id, byId(id).value]));
    const text = wanted.text.trim().toLowerCase();
    shown = content.rows
      .filter((row) => [row.name, row.prediction, ...row.values].some((value) => value.toLowerCase().includes(text)))
      .map((row) => [row, row.answers.filter((answer) => passes(answer, wanted))])
      .filter(([, answers]) => answers.length);
    byId("row").replaceChildren(...shown.map(([row]) => make("option", { dir: "auto" }, `${row.name}: ${row.prediction}`)));
    byId("row").selectedIndex = Math.max(0, shown.findIndex(([row]) => row === chosen));
    const found = shown.reduce((sum, [, answers]) => sum + answers.length, 0);
    byId("count").textContent = found === total
      ? `${counted(total, "alternative")} for ${counted(shown.length, "row")}.`
      : `${found.toLocaleString("en")} of ${counted(total, "alternative")}, for ${counted(shown.length, "row")}.`;
    overview();
    showRow();
  }

  function step(by) {
    const at = byId("row").selectedIndex + by;
    if (at < 0 || at >= shown.length) return;
    byId("row").selectedIndex = at;
    choose();
  }

  // ------------------------------------------------------------------------------------------------------ the start

  function tally(keys) {
    const counts = new Map();
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts;
  }

  function offer(id, names, counts) {
    for (const [key, name] of names) {
      if (!counts.has(key)) continue;
      byId(id).append(make("option", { value: key, dir: "auto" }, `${name} (${counts.get(key).toLocaleString("en")})`));
    }
  }

  // The mark at the start tells spreadsheets that this is UTF-8.
  function download() {
    const text = `\ufeff${JSON.parse(byId("table").textContent)}`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    make("a", { href: address, download: "counterfactuals.csv" }).click();
    URL.revokeObjectURL(address);
  }

  // Where there is room, a list of rows and open filters; on a phone one line each.
  function arrange(wide) {
    byId("row").size = wide ? 7 : 1;
    byId("filters").open = byId("overview").open = wide;
  }

  function start() {
    const answers = content.rows.flatMap((row) => row.answers);
    offer("target", content.targets.entries(), tally(answers.map((answer) => answer.target)));
    offer("status", Object.entries(content.outcomes).map(([key, told]) => [key, told[1]]),
      tally(answers.map((answer) => answer.status)));
    offer("feature", content.features.map((feature, j) => [j, feature.name]),
      tally(answers.flatMap((answer) => answer.changes.map((one) => one.feature))));
    byId("row").addEventListener("change", choose);
    byId("sorters").append(...COLUMNS.map(sorter));
    byId("overview").hidden = total < 2;
    byId("more").addEventListener("click", drawLines);
    byId("download").addEventListener("click", download);
    byId("previous").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
    for (const id of FILTERS) byId(id).addEventListener(id === "text" ? "input" : "change", filter);
    byId("controls").addEventListener("reset", () => setTimeout(filter)); // once the fields are empty
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    const room = window.matchMedia("(min-width: 60rem)");
    room.addEventListener("change", () => arrange(room.matches));
    arrange(room.matches);
    byId("controls").hidden = false;
    filter();
  }

  start();
})();
