"use strict";
(async () => {
  const PAGE = 50;
  const $ = id => document.getElementById(id);
  const make = (tag, kind, ...content) => {  // strings become text, never HTML
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    element.append(...content);
    return element;
  };
  const grouped = n => n.toLocaleString("en");

  // The data
  const holder = $("data");
  const { documents, chunks, pairs } = await unpack(holder.textContent);
  for (const [n, pair] of pairs.entries()) {
    const chunk = chunks[pair.chunk], evidence = pair.more.evidence;
    const start = evidence ? evidence[0] : chunk ? chunk[1] : 0;
    pair.n = n;
    pair.reasons = pair.more.reasons || [];
    pair.place = documents[pair.doc][1] ? start / documents[pair.doc][1] : null;
    pair.length = pair.question.length + pair.answer.length;
    pair.words = `${pair.question}\n${pair.answer}`.toLowerCase();
  }
  const pairOf = new Map(pairs.map(pair => [pair.id, pair]));

  async function unpack(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    const { columns, pairs, ...others } = await new Response(
      new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
    return { ...others, pairs: pairs.map(row => Object.fromEntries(columns.map((name, i) => [name, row[i]]))) };
  }

  // Verdicts by hand: those that the run knew already, and over them those given here
  const key = `synth verdicts ${holder.dataset.name} ${holder.dataset.folder}`;
  const given = new Map();  // null = taken back
  for (const row of recall()) {
    const pair = pairOf.get(row.id);  // another run of this name may have another pair with this id
    if (pair && pair.question === row.question && pair.answer === row.answer) given.set(row.id, row.verdict);
  }
  const verdictOf = pair => (given.has(pair.id) ? given.get(pair.id) : pair.more.by_hand) || null;
  const verdictRow = (pair, verdict) => ({ id: pair.id, verdict, question: pair.question, answer: pair.answer });

  function recall() {
    try { return JSON.parse(localStorage.getItem(key)) || []; } catch { return []; }
  }

  function decide(verdict) {
    const pair = pairOf.get(chosen);
    if (!pair) return;
    if (verdict || pair.more.by_hand) given.set(pair.id, verdict);
    else given.delete(pair.id);
    try {
      localStorage.setItem(key, JSON.stringify([...given].map(([id, one]) => verdictRow(pairOf.get(id), one))));
      $("stored").textContent = "This browser keeps them.";
    } catch {
      $("stored").textContent = "This browser does not keep them: download them before you leave.";
    }
    draw();
  }

  function download() {
    const rows = pairs.filter(verdictOf).map(pair => JSON.stringify(verdictRow(pair, verdictOf(pair))) + "\n");
    const link = make("a");
    link.href = URL.createObjectURL(new Blob(rows, { type: "application/jsonl" }));
    link.download = "verdicts.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // Which pairs are shown, and in which order
  const ORDERS = {
    "of the run": [pair => pair.n, 1],
    "support, lowest first": [pair => pair.support, 1],
    "support, highest first": [pair => pair.support, -1],
    "score, lowest first": [pair => pair.score, 1],
    "score, highest first": [pair => pair.score, -1],
    "place in the document": [pair => pair.place, 1],
    "longest first": [pair => pair.length, -1],
    "shortest first": [pair => pair.length, 1],
  };
  const STATES = {
    all: () => true,
    kept: pair => pair.kept,
    dropped: pair => !pair.kept,
    "with a verdict by hand": verdictOf,
  };
  let shown = pairs, page = 0, chosen = null;

  function filter() {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const reason = $("reason").value, doc = $("document").value, state = STATES[$("state").value];
    const [support, score] = ["support", "score"].map(name => Number($(name).value));
    for (const name of ["support", "score"]) $(`${name}-from`).textContent = $(name).value > 0 ? $(name).value : "any";
    shown = pairs.filter(pair =>
      state(pair)
      && (!reason || (reason === "-" ? !pair.reasons.length : pair.reasons.includes(reason)))
      && (!doc || pair.doc === Number(doc))
      && (!support || (pair.support !== null && pair.support >= support))
      && (!score || (pair.score !== null && pair.score >= score))
      && words.every(word => pair.words.includes(word)));
    sort(ORDERS[$("order").value]);
    const at = shown.findIndex(pair => pair.id === chosen);
    page = Math.max(0, Math.floor(at / PAGE));
    if (at < 0) chosen = shown.length ? shown[0].id : null;
    draw();
  }

  function sort([value, sign]) {
    shown.sort((a, b) => {  // pairs without a value come last
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.n - b.n;
      return sign * (x - y) || a.n - b.n;
    });
  }

  function choose(id) {
    chosen = id;
    page = Math.max(0, Math.floor(shown.findIndex(pair => pair.id === id) / PAGE));
    draw();
    document.querySelector("#list .chosen")?.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const next = shown[shown.findIndex(pair => pair.id === chosen) + step];
    if (next) choose(next.id);
  }

  function isInSight() {
    const { top, bottom } = $("list").getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  }

  function turn(step) {
    const first = shown[(page + step) * PAGE];
    if (page + step >= 0 && first) choose(first.id);
  }

  // What is on the screen: one page of the list, and the chosen pair
  const number = value => (value === null || value === undefined ? "–" : String(Math.round(value * 100) / 100));
  const signs = { keep: "✓ keep", drop: "✗ drop" };
  const stateOf = pair => make("span", pair.kept ? "good" : "bad", pair.kept ? "kept" : "dropped");

  function draw() {
    const first = page * PAGE, last = Math.min(first + PAGE, shown.length);
    $("list").tBodies[0].replaceChildren(...shown.slice(first, last).map(drawRow));
    $("range").textContent = shown.length
      ? `${grouped(first + 1)} to ${grouped(last)} of ${grouped(shown.length)} ${shown.length === 1 ? "pair" : "pairs"}`
      : "No pair is like that.";
    $("back").disabled = page === 0;
    $("forth").disabled = last >= shown.length;
    const n = pairs.filter(verdictOf).length;
    $("verdicts").textContent = `${grouped(n)} ${n === 1 ? "verdict" : "verdicts"} by hand`;
    $("download").disabled = n === 0;
    drawPane();
  }

  function drawRow(pair) {
    const verdict = verdictOf(pair), state = make("td", "text", stateOf(pair));
    if (verdict) state.append(make("span", `hand ${verdict === "keep" ? "good" : "bad"}`, signs[verdict]));
    const text = make("td", "text", make("div", "question", pair.question), make("div", "answer", pair.answer.slice(0, 300)));
    text.append(...pair.reasons.map(reason => make("span", "badge", reason)));
    const row = make("tr", pair.id === chosen ? "chosen" : "", state, text);
    for (const name of ["support", "score"]) if (has(name)) row.append(make("td", "", number(pair[name])));
    row.setAttribute("aria-selected", pair.id === chosen);
    row.addEventListener("click", () => choose(pair.id));
    return row;
  }

  function drawPane() {
    const pair = pairOf.get(chosen);
    $("pane").replaceChildren(...(pair ? describe(pair) : []));
    const quote = $("pane").querySelector("blockquote"), found = quote?.querySelector("mark");
    $("pane").scrollTop = 0;
    if (found) quote.scrollTop = found.offsetTop - quote.clientHeight / 3;
  }

  function describe(pair) {
    const { more } = pair, verdict = verdictOf(pair), chunk = chunks[pair.chunk];
    const button = (id, text, value, title) => {
      const element = make("button", "", text);
      Object.assign(element, { id, title, disabled: verdict === value });
      element.addEventListener("click", () => decide(value));
      return element;
    };
    const buttons = make("div", "bar", stateOf(pair), button("keep", "keep", "keep", "+ or K"),
      button("drop", "drop", "drop", "− or D"), button("undo", "undo", null, "U"));
    if (verdict) buttons.append(make("b", verdict === "keep" ? "good" : "bad", `${signs[verdict]} by hand`));
    const badges = make("div", "", ...pair.reasons.map(reason => make("span", "badge", reason)));
    return [buttons, make("h3", "", pair.question), make("p", "", pair.answer), badges,
      list(Object.entries(more.fields || {}), "field"), list(marks(pair), ""), place(pair, chunk), quote(pair, chunk)];
  }

  function list(entries, kind) {
    return make("dl", "", ...entries.map(([name, value]) => make("div", kind, make("dt", "", name), make("dd", "", value))));
  }

  function marks({ support, score, more }) {
    const book = more.closed_book, entries = [];
    if (support !== null) entries.push(["support", number(support)]);
    if (score !== null) entries.push(["score", number(score)]);
    for (const [name, value] of Object.entries(more.scores || {})) entries.push([name, number(value)]);
    if (book) entries.push(["known without the text", book.known ? "yes" : "no"], ["answered from the text", book.answerable ? "yes" : "no"]);
    if (more.duplicate_of) entries.push(["duplicate of", jump(more.duplicate_of)]);
    return entries;
  }

  function jump(id) {
    const other = pairOf.get(id), link = make("a", "jump", other?.question);
    if (!other) return id;
    link.addEventListener("click", () => {
      if (!shown.includes(other)) clear();
      choose(id);
    });
    return link;
  }

  function place(pair, chunk) {
    const pages = (chunk && chunk[4].length ? chunk[4] : pair.more.pages) || [];
    const parts = [documents[pair.doc][0]];
    if (pages.length) parts.push(pages[0] === pages[1] ? `page ${pages[0]}` : `pages ${pages[0]} to ${pages[1]}`);
    if (chunk && chunk[3].length) parts.push(chunk[3].join(" › "));
    if (pair.place !== null) parts.push(`at ${Math.round(100 * pair.place)} %`);
    return make("div", "dim source", parts.join(" · "));
  }

  function quote(pair, chunk) {
    if (!chunk || chunk[2] === null) return make("p", "dim", "The text that it was made from is not there.");
    const [, start, text] = chunk, evidence = pair.more.evidence;
    if (!evidence) return make("blockquote", "", text);
    const characters = [...text];  // code points, as the run counts them
    const [from, to] = evidence.map(at => Math.min(Math.max(at - start, 0), characters.length));
    const part = (a, b) => characters.slice(a, b).join("");
    if (from >= to) return make("blockquote", "", text);
    return make("blockquote", "", part(0, from), make("mark", "", part(from, to)), part(to));
  }

  // What can be chosen
  function has(name) {
    return present[name] ??= pairs.some(pair => pair[name] !== null);
  }

  function tally(values) {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  }

  function offer(id, entries) {
    $(id).replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
    $(id).closest("label").hidden = entries.length < 2;
  }

  function clear() {
    for (const id of ["reason", "document", "search"]) $(id).value = "";
    $("state").value = "all";
    $("support").value = $("score").value = 0;
    filter();
  }

  function prepare() {
    const reasons = tally(pairs.flatMap(pair => pair.reasons)), docs = tally(pairs.map(pair => pair.doc));
    const numbered = n => ` (${grouped(n)})`;
    const n_free = pairs.filter(pair => !pair.reasons.length).length;
    offer("reason", reasons.length
      ? [["", "anything"], ["-", `nothing${numbered(n_free)}`], ...reasons.map(([name, n]) => [name, name + numbered(n)])] : []);
    offer("document", docs.length > 1
      ? [["", `all${numbered(docs.length)}`], ...docs.map(([doc, n]) => [doc, documents[doc][0] + numbered(n)])] : []);
    offer("state", Object.entries(STATES).map(([name, fits], i) => [name, i < 3 ? name + numbered(pairs.filter(fits).length) : name]));
    offer("order", Object.keys(ORDERS).filter(name => !/^(support|score)/.test(name) || has(name.split(",")[0])).map(name => [name, name]));
    for (const name of ["support", "score"]) $(name).closest("label").hidden = $(`${name}-head`).hidden = !has(name);
  }

  const present = {};
  const keys = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    ArrowRight: () => turn(1), ArrowLeft: () => turn(-1), "/": () => $("search").focus(),
    "+": () => decide("keep"), "-": () => decide("drop"), d: () => decide("drop"), u: () => decide(null),
  };
  document.addEventListener("keydown", event => {
    if (event.target.closest("input, select, textarea")) {
      if (event.key !== "Escape") return;
      event.target.blur();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow") && !isInSight()) return;  // the page is scrolled
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = name === "k" && event.shiftKey ? keys["+"] : keys[name];
    if (!action) return;
    event.preventDefault();
    action();
  });
  $("back").addEventListener("click", () => turn(-1));
  $("forth").addEventListener("click", () => turn(1));
  $("download").addEventListener("click", download);
  for (const id of ["search", "state", "reason", "document", "order", "support", "score"]) $(id).addEventListener("input", filter);
  prepare();
  filter();
  $("loading").hidden = true;
  $("review").hidden = false;
  holder.remove();
})().catch(error => {
  document.getElementById("loading").textContent = `The pairs can't be shown in this browser: ${error}`;
  throw error;
});
