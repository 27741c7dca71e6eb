// What has changed lately, newest first.
const EVENTS_SHOWN = 12; // at first
const EVENTS_MAX = 100;

let showsAllEvents = false;
let onlyWarnings = false;
let timelineShown = '';

const toneOf = (entry) => TONES_OF_LEVELS.get(entry.level) ?? 'info';

function eventOf(entry) {
  const pairs = Object.entries(asObject(entry.fields)).map(([key, value]) => [key, asText(value)]);
  return {
    event: asText(entry.event),
    time: asText(entry.time),
    tone: toneOf(entry),
    fields: Object.fromEntries(pairs),
    number: asNumber(entry.count) ?? 1,
  };
}

/** Entries that say the same one after another become one. */
function mergedEvents(timeline) {
  const merged = [];
  for (const entry of asList(timeline).slice(0, EVENTS_MAX).map(asObject).map(eventOf)) {
    const said = sentenceOf({ ...entry, number: 1 });
    const before = merged.at(-1);
    if (before?.said === said) before.number += entry.number;
    else merged.push({ ...entry, said });
  }
  return merged.map((entry) => ({
    time: entry.time,
    tone: entry.tone,
    text: sentenceOf(entry),
    times: entry.number > 1 && !isAboutSessions(entry.event) ? `× ${count(entry.number)}` : '',
  }));
}

function eventLine({ time, tone, text, times }) {
  const line = fromTemplate('event-template');
  setTone(line, tone);
  const when = line.querySelector('time');
  when.textContent = clock(time);
  when.dateTime = time;
  const level = { warn: 'Warning: ', bad: 'Error: ' }[tone] ?? '';
  fill(line, { level, text, times });
  return line;
}

function showTimeline(timeline) {
  const all = mergedEvents(timeline).filter(({ tone }) => !onlyWarnings || tone !== 'info');
  const shown = showsAllEvents ? all : all.slice(0, EVENTS_SHOWN);
  const key = JSON.stringify([shown, new Date().toDateString()]);
  if (key !== timelineShown) {
    timelineShown = key;
    byId('timeline').replaceChildren(...shown.map(eventLine));
  }
  byId('quiet').hidden = all.length > 0;
  const more = byId('timeline-more');
  more.hidden = all.length <= EVENTS_SHOWN;
  setText(more, showsAllEvents ? 'Show fewer' : `Show all ${all.length}`);
}

/** `again` shows the timeline anew. */
function listenToTimeline(again) {
  byId('timeline-more').addEventListener('click', () => {
    showsAllEvents = !showsAllEvents;
    again();
  });
  byId('only-warnings').addEventListener('change', ({ target }) => {
    onlyWarnings = target.checked;
    again();
  });
}
