// What tests of the files for deployment share: reading them, and running the tools that judge them.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import YAML from 'yaml';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** An absolute path in the project. */
export const inProject = (path) => join(root, path);

export const readText = (path) => readFileSync(inProject(path), 'utf8');

/** All documents of a YAML file; merge keys (`<<`) are resolved, repeated keys are an error. */
export function readAllYaml(path) {
  return YAML.parseAllDocuments(readText(path), { merge: true }).map((document) => {
    if (document.errors.length) throw new Error(`${path}: ${document.errors[0].message}`);
    return document.toJS();
  });
}

export function readYaml(path) {
  const [document, ...more] = readAllYaml(path);
  if (more.length) throw new Error(`${path} has several documents`);
  return document;
}

export const readJson = (path) => JSON.parse(readText(path));

export const compose = readYaml('compose/compose.yaml');
export const composeConfig = readYaml('compose/mcplb.yaml');

/** ${NAME}, ${NAME:-default} and ${NAME:?message} as Compose replaces them, and $$ as $. */
export function interpolated(text, env = {}) {
  return text.replace(/\$\$|\$\{(\w+)(?::[-?]([^}]*))?\}/g, (whole, name, rest) =>
    whole === '$$' ? '$' : (env[name] ?? (whole.includes(':-') ? rest : whole)),
  );
}

/** The variables that Compose insists on. */
export const demanded = (text) => [
  ...new Set([...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name)),
];

/** `30s`, `5m`, `8s` in seconds. */
export function secondsOf(duration) {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(duration);
  return Number(number) * { ms: 0.001, s: 1, m: 60, h: 3600 }[unit];
}

/** The path of a program, or undefined. */
export const programOf = (name) =>
  [...process.env.PATH.split(delimiter), '/usr/sbin', '/sbin']
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

/** For the name and the options of a test that needs a program which not every machine has. */
export function needs(name, claim) {
  if (programOf(name)) return [claim, {}];
  return [`${claim} (NOT CHECKED: there is no ${name} here)`, { skip: `no ${name}` }];
}

/** Runs a program to its end: {code, output}. */
export async function runTool(command, args, { ms = 60_000, ...options } = {}) {
  try {
    const done = await promisify(execFile)(command, args, { timeout: ms, ...options });
    return { code: 0, output: done.stdout + done.stderr, stdout: done.stdout };
  } catch (error) {
    if (error.stdout === undefined) throw error;
    return { code: error.code ?? 1, output: error.stdout + error.stderr, stdout: error.stdout };
  }
}

/** The folder of the build that the binary under test is from, or undefined. */
export function buildFolder() {
  const folder = join(process.env.MCPLB_BIN, '..');
  return existsSync(join(folder, 'meson-private')) ? folder : undefined;
}

export const projectVersion = /version: '([\d.]+)'/.exec(readText('meson.build'))[1];

/** The names of mcplb's metrics, as they are documented. */
export const metricNames = [
  ...new Set([...readText('docs/metrics.md').matchAll(/`(mcplb_\w+)(?=[{`])/g)].map(([, name]) => name)),
].filter((name) => !/_bucket$/.test(name));

/** The metrics that a PromQL expression asks for, without the suffixes of histograms. */
export const metricsIn = (expression) =>
  [...expression.replaceAll(/"[^"]*"/g, '""').matchAll(/(?<![\w:])mcplb_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|sum|count)$/, ''),
  );

/** Every query of the Grafana dashboard, its variables and annotations included. */
export function dashboardQueries(dashboard) {
  const panels = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const notes = dashboard.annotations.list.flatMap(({ expr = [] }) => expr);
  return [...panels, ...notes];
}

/** Everything that an operator's file asks Prometheus. */
export function ruleQueries(rules) {
  return rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr));
}
