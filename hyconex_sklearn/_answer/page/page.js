"use strict";
(() => {
  const LONGEST_LIST = 8; // changes that a sentence can tell; more are easier to read line by line
  const FILTERS = ["text", "target", "status", "feature"];
  const byId = (id) => document.getElementById(id);
  const content = JSON.parse(byId("content").textContent);
  const total = content.rows.reduce((sum, row) => sum + row.answers.length, 0);
  let shown = []; // [row, the answers of it that the filters let pass], only where there are any
  let chosen = null; // the row that the reader chose last, even where the filters hide it

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

  function change({ feature, old, new: next, bar: places }) {
    const { name, range, seen } = content.features[feature];
    const item = make("li", {}, make("span", { class: "name", dir: "auto" }, name), pair(old, next));
    if (!places) return item;
    const [low, high] = range;
    const where = seen ? "seen in training" : "in this report";
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

  function everyValue(row, answer) {
    const changed = new Map(answer.changes.map((one) => [one.feature, one]));
    const lines = row.values.map((value, j) => {
      const one = changed.get(j);
      return make("tr", {}, make("th", { scope: "row", dir: "auto" }, content.features[j].name),
        make("td", {}, one ? pair(one.old, one.new) : make("span", { dir: "auto" }, value)));
    });
    return make("table", {}, make("tbody", {}, ...lines));
  }

  // What is folded away is made when it is first opened: most never is.
  function folded(summary, inside) {
    const details = make("details", {}, make("summary", {}, summary));
    details.addEventListener("toggle", () => details.append(inside()), { once: true });
    return details;
  }

  function card(row, answer) {
    const [mark, label, meaning] = content.outcomes[answer.status];
    const same = row.answers.filter((other) => other.target === answer.target);
    const which = same.length > 1
      ? make("small", {}, ` (alternative ${same.indexOf(answer) + 1} of ${same.length})`) : "";
    const badge = make("span", { class: `badge ${answer.status}` },
      make("span", { "aria-hidden": "true" }, mark), ` ${label}`);
    const told = make("p", { class: "sentence" }, answer.sentence);
    return make("section", { class: "card" },
      make("h3", {}, "To be predicted as ", named(content.targets[answer.target]), which),
      make("p", { class: "outcome" }, badge, ` ${meaning}`),
      answer.changes.length > LONGEST_LIST ? folded("In one sentence", () => told) : told,
      make("ul", { class: "changes" }, ...answer.changes.map(change), probability(answer)),
      checks(answer),
      folded(`All ${counted(row.values.length, "value")}`, () => everyValue(row, answer)));
  }

  function rangeInWords() {
    const seen = content.features.filter((feature) => feature.range).map((feature) => feature.seen);
    if (seen.every(Boolean)) return "range seen in training";
    return seen.some(Boolean) ? "range seen in training, or in this report" : "range in this report";
  }

  function sheet(row, answers) {
    const left = row.answers.length - answers.length;
    const parts = [
      make("h2", {}, named(row.name)),
      make("p", { class: "prediction" }, "The model predicts ", make("strong", {}, named(row.prediction)), "."),
      make("p", { class: "legend", "aria-hidden": "true" }, make("span", { class: "sample before" }), "now",
        make("span", { class: "sample after" }), "changed",
        make("span", { class: "sample range" }), rangeInWords()),
      ...answers.map((answer) => card(row, answer)),
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

  // Where there is room, a list of rows and open filters; on a phone one line each.
  function arrange(wide) {
    byId("row").size = wide ? 7 : 1;
    byId("filters").open = wide;
  }

  function start() {
    const answers = content.rows.flatMap((row) => row.answers);
    offer("target", content.targets.entries(), tally(answers.map((answer) => answer.target)));
    offer("status", Object.entries(content.outcomes).map(([key, told]) => [key, told[1]]),
      tally(answers.map((answer) => answer.status)));
    offer("feature", content.features.map((feature, j) => [j, feature.name]),
      tally(answers.flatMap((answer) => answer.changes.map((one) => one.feature))));
    byId("row").addEventListener("change", choose);
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
