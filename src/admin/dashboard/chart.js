// Sparklines: the last minutes as a line, the newest value at the right edge.
const CHART_POINTS = 60; // the API sends at most so many
const CHART_POINTS_MIN = 12; // a young process has few: they get more room
const CHART_WIDTH = 120;
const CHART_HEIGHT = 28;
const SVG = 'http://www.w3.org/2000/svg';

const chartsDrawn = new WeakMap(); // svg -> what it shows

const lastOf = (values) => asList(values).slice(-CHART_POINTS).map(asNumber);

const highest = (values) => values.reduce((most, value) => Math.max(most, value ?? 0), 0);

/** A path per run of values: where there is none, the line has a gap. */
function pathOf(values, top, isArea) {
  const slots = values.length > CHART_POINTS_MIN ? CHART_POINTS : CHART_POINTS_MIN;
  const step = CHART_WIDTH / (slots - 1);
  const begin = slots - values.length;
  const place = (value, index) => {
    const y = CHART_HEIGHT - 1.5 - (Math.max(0, value) / top) * (CHART_HEIGHT - 4);
    return `${((begin + index) * step).toFixed(1)} ${y.toFixed(1)}`;
  };
  const runs = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (index === 0 || values[index - 1] === null) runs.push([]);
    runs.at(-1).push({ x: ((begin + index) * step).toFixed(1), point: place(value, index) });
  });
  return runs
    .map((run) => {
      const line = `M${run.map(({ point }) => point).join('L')}`;
      if (!isArea) return run.length === 1 ? `${line}h-${(step / 2).toFixed(1)}` : line;
      return `${line}L${run.at(-1).x} ${CHART_HEIGHT}L${run[0].x} ${CHART_HEIGHT}z`;
    })
    .join('');
}

function addPath(svg, className, shape) {
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('class', className);
  path.setAttribute('d', shape);
  svg.append(path);
}

/** Errors are drawn where there are some: a line at zero would look like trouble. */
const whereAny = (values) =>
  values.map((value, at) => [at - 1, at, at + 1].some((near) => values[near] > 0) ? value : null);

/** `lines` are {values, tone, area}; all share one scale that begins at zero. */
function drawChart(svg, lines) {
  const shown = lines.map((line) => ({ ...line, values: lastOf(line.values) }));
  const key = JSON.stringify(shown);
  if (chartsDrawn.get(svg) === key) return;
  chartsDrawn.set(svg, key);
  svg.setAttribute('viewBox', `0 0 ${CHART_WIDTH} ${CHART_HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.replaceChildren();
  const top = Math.max(...shown.map(({ values }) => highest(values)), 1e-9);
  addPath(svg, 'zero', `M0 ${CHART_HEIGHT - 0.5}H${CHART_WIDTH}`);
  for (const { values, tone, area } of shown) {
    const drawn = tone === 'bad' ? whereAny(values) : values;
    if (area) addPath(svg, `area ${tone}`, pathOf(drawn, top, true));
    addPath(svg, `line ${tone}`, pathOf(drawn, top, false));
  }
}

/** Requests with the errors among them. */
function drawTraffic(svg, traffic) {
  const history = asObject(traffic.history);
  drawChart(svg, [
    { values: history.requests_per_second, tone: 'plain', area: true },
    { values: history.errors_per_second, tone: 'bad', area: true },
  ]);
}

/** How much time the history covers, in words. */
function chartSpan(history) {
  const seconds = (asNumber(history.step_seconds) ?? 5) *
    Math.max(1, lastOf(history.requests_per_second).length);
  return seconds < 90 ? duration(seconds) : `${Math.round(seconds / 60)} min`;
}
