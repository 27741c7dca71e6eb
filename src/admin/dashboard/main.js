// Brings it together: states arrive, the page shows them, and says so when they stop arriving.
const LATE = 3; // seconds without news that are not worth a word
const REST_AFTER = 30_000; // ms in the background before the stream is ended
const THEME_KEY = 'mcplb-theme';
const THEMES = ['auto', 'light', 'dark'];

let latest = null; // the newest state
let heardAt = 0; // when it came, on the clock of performance.now()
let heardTime = ''; // the same for people
let lostWhy = ''; // empty while there is contact
let retryAt = 0;
let saidTone = '';

function showState() {
  const backends = backendsOf(latest);
  const verdict = showVerdict(latest, backends);
  showHeader(latest);
  showTiles(latest);
  showCounts(latest);
  showPools(latest, (command, pool, id) => commands.ask(command, pool, id));
  showTimeline(latest.timeline);
  showOwn(latest);
  showPoolChoice(latest);
  // Screen readers hear of changes for better or worse, not of every number.
  if (saidTone && saidTone !== verdict.tone) say(`${verdict.sentence}.`);
  saidTone = verdict.tone;
}

/** Another process answers than before. */
function noticeRestart(before, now) {
  if (!before) return;
  const isOther = before.instance !== now.instance;
  const began = asNumber(now.uptime_seconds) ?? 0;
  if (!isOther && began >= (asNumber(before.uptime_seconds) ?? 0)) return;
  const what = isOther
    ? `Another instance answers now: ${asText(now.instance)}.`
    : `mcplb was started again ${duration(began)} ago; totals and the timeline begin there.`;
  const page = before.version !== now.version
    ? ` It is version ${asText(now.version)} now: load this page again.`
    : '';
  notice(what + page);
}

function notice(text) {
  fill(byId('notice'), { notice: text });
  byId('notice').hidden = false;
  say(text);
}

const contact = new Contact({
  state(state) {
    noticeRestart(latest, state);
    latest = state;
    heardAt = performance.now();
    heardTime = clock(Date.now());
    if (document.hidden) {
      showVerdict(state, backendsOf(state)); // the tab's title and icon
      return;
    }
    showState();
    showContact();
  },
  live() {
    if (lostWhy && latest) say('Contact is back.');
    lostWhy = '';
  },
  lost(why, ms) {
    if (!lostWhy) say(latest ? 'No contact with mcplb: values are old.' : 'No contact with mcplb.');
    lostWhy = why;
    retryAt = performance.now() + ms;
    showContact();
  },
  token: askForToken,
});

const commands = new Commands(contact, () => latest);

/** How fresh the values are, in words, once a second. */
function showContact() {
  const age = (performance.now() - heardAt) / 1000;
  const isLate = latest !== null && age > LATE;
  const tone = lostWhy ? 'bad' : isLate ? 'warn' : latest ? 'good' : 'info';
  const words = lostWhy ? 'no contact' : latest ? 'live' : 'connecting';
  const node = byId('contact');
  setAttribute(node, 'data-tone', tone);
  fill(node, { contact: isLate ? `${words} · ${duration(age)} old` : words });
  const isOld = lostWhy !== '' || age > 2 * LATE;
  document.body.classList.toggle('old', latest !== null && isOld);
  byId('lost').hidden = !lostWhy;
  for (const button of document.querySelectorAll('[data-command]')) button.disabled = isOld;
  if (lostWhy) {
    const since = latest ? `No contact since ${heardTime}; the values are old.` : 'No contact yet.';
    const wait = Math.ceil((retryAt - performance.now()) / 1000);
    const next = wait > 0 ? `Next try in ${wait} s.` : 'Trying now.';
    fill(byId('lost'), { lost: since, retry: `${capital(lostWhy)}. ${next}` });
  }
  byId('forget').hidden = !contact.hasToken;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Resolves with what was typed in. `wrong`: the one before was refused. */
function askForToken(wrong) {
  const dialog = byId('token');
  const input = byId('token-input');
  setText(byId('token-wrong'), wrong ? 'That token was refused.' : '');
  input.value = '';
  if (!dialog.open) dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    byId('token-form').onsubmit = (event) => {
      event.preventDefault();
      dialog.close();
      resolve(input.value.trim());
      input.value = '';
    };
  });
}

function applyTheme(theme) {
  const root = document.documentElement;
  if (theme === 'auto') delete root.dataset.theme;
  else root.dataset.theme = theme;
  setText(byId('theme'), `Theme: ${theme}`);
}

function listenToTheme() {
  let theme = stored('localStorage', THEME_KEY);
  if (!THEMES.includes(theme)) theme = 'auto';
  applyTheme(theme);
  byId('theme').addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    stored('localStorage', THEME_KEY, theme);
    applyTheme(theme);
  });
}

function again() {
  if (latest) showState();
  showContact();
}

listenToTheme();
listenToTools(again);
listenToTimeline(again);
listenToLookup(contact);
byId('token').addEventListener('cancel', (event) => event.preventDefault());
byId('retry').addEventListener('click', () => contact.retry());
byId('notice-close').addEventListener('click', () => { byId('notice').hidden = true; });
byId('forget').addEventListener('click', () => {
  contact.token = '';
  location.reload();
});
addEventListener('online', () => contact.retry());
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    setTimeout(() => document.hidden && contact.rest(), REST_AFTER);
    return;
  }
  contact.retry();
  again();
});
setInterval(showContact, 1000);
contact.run();
