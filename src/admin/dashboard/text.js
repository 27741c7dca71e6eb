// Values of the API as people read them. The API may be of another version and names may be
// anything: what is missing or odd reads "–", and all text goes in as text, never as HTML.
const NONE = '–';
const TEXT_MAX = 300; // characters of one value

const asNumber = (value) =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
const asList = (value) => (Array.isArray(value) ? value : []);
const asObject = (value) =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};

function asText(value) {
  const text = ['number', 'boolean', 'string'].includes(typeof value) ? String(value) : '';
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

/** The key of a thing: the whole of its name, however long it is. */
const asKey = (value) => (typeof value === 'string' ? value : '');

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const precise = [2, 1, 0].map(
  (digits) => new Intl.NumberFormat('en', { maximumFractionDigits: digits }),
);

/** Three digits are enough for what changes every second. */
function figure(value) {
  if (value >= 10_000) return compact.format(value);
  if (value >= 100) return grouped.format(value);
  return precise[value < 1 ? 0 : value < 10 ? 1 : 2].format(value);
}

const short = (value) => (value === null ? NONE : figure(value));
const count = (value) => {
  const number = asNumber(value);
  return number === null ? NONE : number < 10_000 ? grouped.format(number) : compact.format(number);
};
const rate = (value) => (asNumber(value) === null ? NONE : `${short(asNumber(value))}/s`);

function millis(value) {
  const ms = asNumber(value);
  if (ms === null) return NONE;
  if (ms < 1000) return `${figure(ms)} ms`;
  return ms < 60_000 ? `${precise[1].format(ms / 1000)} s` : duration(ms / 1000);
}

/** "1.2 · 8.1 ms", of {p50, p99}. */
function quantiles(value) {
  const [p50, p99] = [asObject(value).p50, asObject(value).p99].map(asNumber);
  if (p50 === null && p99 === null) return NONE;
  const plain = p50 !== null && p99 !== null && p99 < 1000;
  return plain ? `${figure(p50)} · ${figure(p99)} ms` : `${millis(p50)} · ${millis(p99)}`;
}

function duration(value) {
  const seconds = asNumber(value);
  if (seconds === null) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  const days = Math.floor(whole / 86_400);
  return days === 1 ? '1 day' : `${grouped.format(days)} days`;
}

function percent(part, whole) {
  const share = (100 * part) / whole;
  if (share > 0 && share < 0.1) return '<0.1 %';
  return `${precise[share < 10 ? 1 : 2].format(share)} %`;
}

const many = (number, one, more = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : more}`;

/** "a", "a and b", "a, b and c". */
const listed = (words) =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

function clock(time) {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return NONE;
  const hours = at.toLocaleTimeString('en-GB');
  if (at.toDateString() === new Date().toDateString()) return hours;
  return `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${hours}`;
}

const byId = (id) => document.getElementById(id);

/** Writes only what has changed: selections, and what screen readers follow, stay alone. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

const fieldsOf = new WeakMap();

/** The elements below `root` by their data-field; found once. */
function fields(root) {
  let found = fieldsOf.get(root);
  if (!found) {
    const named = [...root.querySelectorAll('[data-field]')];
    found = Object.fromEntries(named.map((node) => [node.dataset.field, node]));
    fieldsOf.set(root, found);
  }
  return found;
}

function fill(root, texts) {
  const nodes = fields(root);
  for (const [name, text] of Object.entries(texts)) setText(nodes[name], text);
}

const fromTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

function element(tag, text = '', className = '') {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Makes `parent` hold exactly these nodes in this order, and moves only those that have to. */
function setChildren(parent, wanted) {
  const nodes = [...new Set(wanted)];
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}

/** good, warn, bad, off, busy or info: colour by class, and a shape of its own. */
function setTone(node, tone) {
  setAttribute(node, 'data-tone', tone);
  const use = node.querySelector(':scope > .icon > use');
  if (use) setAttribute(use, 'href', `#icon-${tone}`);
}

/** Said to screen readers once. */
function say(text) {
  const line = element('p', text);
  byId('said').append(line);
  setTimeout(() => line.remove(), 20_000);
}
