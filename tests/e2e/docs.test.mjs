// The documentation is true: every block of code runs, is checked, or says why not, and every link
// leads somewhere. How a block says what it is: docs/contributing.md.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { anchorsOf, blocksOf, linksOf } from './lib/markdown.mjs';
import { inSuite, nodeBinary } from './lib/node.mjs';
import { PageFolder } from './lib/page_folder.mjs';

const root = resolve(inSuite('../..'));
const inRoot = (pattern) => globSync(pattern, { cwd: root });
const pages = inRoot('{README.md,docs/**/*.md,conf/**/*.md,compose/**/*.md}').sort();
const linked = [...pages, ...inRoot('{src/*/README.md,tests/**/README.md}')]
  .filter((page) => !page.includes('node_modules'))
  .sort();
const execute = promisify(execFile);
const sanitized = process.env.MCPLB_SANITIZED === 'yes';

const counts = new Map();
const skipped = [];
const count = (what) => counts.set(what, (counts.get(what) ?? 0) + 1);

/** What comes back: digits stand for any digits, … for anything, on a line of its own for any lines. */
function expectedPattern(lines) {
  const patternOf = (line) =>
    line
      .trim()
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replace(/\d+/g, '\\d+')
      .replace(/ +/g, ' +')
      .replaceAll('…', '.*');
  const patterns = lines.map((line) =>
    line.trim() === '…' ? '(?:.*\\n)*' : ` *${patternOf(line)} *\\n`,
  );
  return new RegExp(`^${patterns.join('')}$`);
}

const isCommand = (line) => line.startsWith('$ ');

/** A block of kind console: [{command, expected lines}]. */
function dialogueIn(text) {
  const steps = [];
  for (const line of text.trimEnd().split('\n')) {
    if (isCommand(line)) steps.push({ command: line.slice(2), expected: [] });
    else if (/^> /.test(line)) steps.at(-1).command += `\n${line.slice(2)}`;
    else steps.at(-1).expected.push(line);
  }
  return steps;
}

async function runBlock(folder, { text, decisions }) {
  if (decisions.run === 'background') return folder.start(text);
  const { code, output } = await folder.run(text);
  assert.equal(code, Number(decisions.exit ?? 0), output);
}

async function runDialogue(folder, { text, decisions }) {
  const steps = dialogueIn(text);
  for (const { command, expected } of steps) {
    const { code, output } = await folder.run(command);
    // `exit=2` is about the last command of a block.
    assert.equal(code, command === steps.at(-1).command ? Number(decisions.exit ?? 0) : 0, output);
    const said = `${output.trimEnd()}\n`;
    if (expected.length) assert.match(said, expectedPattern(expected), `${command}\n${said}`);
  }
}

async function checkYaml(folder, { text, decisions, line }) {
  assert.equal(await folder.checked(text, line), '');
  if (decisions.file) folder.file(decisions.file, folder.here(text));
}

async function checkWith(command, args, path) {
  try {
    await execute(command, [...args, path]);
  } catch (error) {
    // The checkers of others are there where ./test has installed them.
    if (error.code !== 'ENOENT') assert.fail(error.stderr || error.message);
    return 'shown: its checker is not installed';
  }
  return undefined;
}

const wrapNginx = (folder, text) => `pid ${folder.path('nginx.pid')};
error_log stderr;
events {}
${/^\s*http\s*\{/m.test(text) ? text : `http {\naccess_log off;\n${text}\n}`}
`;
const wrapHaproxy = (text) =>
  /^defaults/m.test(text)
    ? text
    : `defaults\n  mode http\n  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n${text}`;

// What is done with a block, by its language. Returns another word for the count, or nothing.
const languages = {
  sh: { word: 'run', act: runBlock, decides: true },
  console: { word: 'run and compared', act: runDialogue, decides: true },
  yaml: { word: 'checked by mcplb', act: checkYaml },
  json: { word: 'parsed as JSON', act: (folder, { text }) => void JSON.parse(text) },
  js: {
    word: 'parsed as JavaScript',
    act: (folder, { text, line }) =>
      checkWith(nodeBinary, ['--check'], folder.file(`line-${line}.mjs`, text)),
  },
  nginx: {
    word: 'checked by nginx',
    act: (folder, { text, line }) =>
      checkWith('nginx', ['-q', '-t', '-p', folder.path(''), '-c'],
        folder.file(`line-${line}.conf`, wrapNginx(folder, text))), // prettier-ignore
  },
  haproxy: {
    word: 'checked by HAProxy',
    act: (folder, { text, line }) =>
      checkWith('haproxy', ['-q', '-c', '-f'],
        folder.file(`line-${line}.cfg`, wrapHaproxy(text))), // prettier-ignore
  },
  text: { word: 'shown' },
  cpp: { word: 'shown' },
  diff: { word: 'shown' },
};

async function settle(folder, page, block) {
  const { language, decisions, wishes } = block;
  const kind = languages[language];
  assert.ok(kind, `a block of ${language || 'no language'}: nobody knows what to do with it`);
  assert.ok(!kind.decides || decisions.run || decisions.skip, 'neither "run" nor "skip: why"');
  for (const wish of wishes) await folder.provide(wish);
  if (decisions.skip !== undefined) {
    assert.ok(decisions.skip.length > 5, 'a skip says why');
    skipped.push(`${page}:${block.line}: ${decisions.skip}`);
    return 'skipped';
  }
  return (await kind.act?.(folder, block)) ?? kind.word;
}

describe('the documentation', { concurrency: 3, skip: sanitized && 'nothing of it is C++' }, () => {
  for (const page of pages) {
    test(`${page}: every block runs, is checked, or says why not`, async (t) => {
      const blocks = blocksOf(join(root, page));
      if (!blocks.length) return;
      const folder = await PageFolder.make(root);
      t.after(() => folder.stop());
      for (const block of blocks) {
        try {
          count(await settle(folder, page, block));
        } catch (error) {
          error.message = `${page}:${block.line}: ${error.message}`;
          throw error;
        }
      }
    });
  }

  after(() => {
    const sum = [...counts].sort().map(([what, number]) => `${number} ${what}`);
    console.log(`blocks of code: ${sum.join(', ')}`);
    for (const line of skipped.sort()) console.log(`  not run, ${line}`);
  });
});

test('every link leads to a file, and every anchor to a heading', () => {
  const broken = [];
  for (const page of linked) {
    for (const { line, target } of linksOf(join(root, page))) {
      if (/^(https?|mailto):/.test(target)) continue;
      const [path, anchor] = target.split('#');
      const file = path ? resolve(root, dirname(page), path) : join(root, page);
      const is = relative(root, file);
      if (!existsSync(file)) broken.push(`${page}:${line}: no file ${is}`);
      else if (anchor && file.endsWith('.md') && !anchorsOf(file).includes(anchor))
        broken.push(`${page}:${line}: no heading #${anchor} in ${is}`);
    }
  }
  assert.deepEqual(broken, []);
});

const contentOf = (file) => readFileSync(join(root, file), 'utf8');
const namesIn = (files, pattern) =>
  new Set(files.flatMap((file) => [...contentOf(file).matchAll(pattern)].map(([, name]) => name)));
const missing = (names, page) =>
  [...names].filter((name) => !new RegExp(`\\b${name}\\b`).test(contentOf(page))).sort();

test('every reason and every log event is explained in troubleshooting.md', () => {
  const reasons = namesIn(['src/proxy/local_reply.cpp'], /^ {4}\{"(\w+)", \d{3},/gm);
  reasons.delete('none');
  const events = namesIn(inRoot('src/**/*.cpp'), /\blog::(?:event|announce)\(\s*(?:[^,"]*,\s*)?"(\w+)"/g);
  assert.ok(reasons.size > 10 && events.size > 20, `${reasons.size} reasons, ${events.size} events`);
  assert.deepEqual(missing([...reasons, ...events], 'docs/troubleshooting.md'), []);
});

test('every metric is explained in metrics.md, and pages name no other', () => {
  const shown = namesIn(['src/metrics_page.cpp'], /"(mcplb_[a-z_]+)"/g);
  assert.ok(shown.size > 10, `${shown.size} metrics`);
  assert.deepEqual(missing(shown, 'docs/metrics.md'), []);
  const named = namesIn(pages, /\b(mcplb_[a-z_]+?)(?:_bucket|_sum|_count)?\b(?!\.)/g);
  const examples = namesIn(inRoot('docs/how-to/*.md'), /"(mcplb_[a-z_]+)"/g);
  assert.deepEqual([...named].filter((name) => !shown.has(name) && !examples.has(name)), []);
});

test('every key that a page names is in the configuration reference', () => {
  const reference = contentOf('docs/configuration.md');
  const sections = [...reference.matchAll(/^## (\S+)$([^]*?)(?=^## |$(?![^]))/gm)];
  const keys = new Set(
    sections.flatMap(([, section, text]) =>
      [...text.matchAll(/^\| `(\w+)`/gm)].map(
        ([, key]) => `${section.replaceAll('[]', '').replace(/^pools\.?/, '')}.${key}`.replace(/^\./, ''),
      ),
    ),
  );
  const groups = [...new Set([...keys].map((key) => key.split('.')[0]))].join('|');
  const named = namesIn(
    pages.filter((page) => !page.includes('how-to')),
    new RegExp(`\`(?:pools\\[\\]\\.)?((?:${groups})\\.[a-z_.]+[a-z])[\`:]`, 'g'),
  );
  const isKey = (name) =>
    name.endsWith('.hpp') || keys.has(name) || [...keys].some((key) => key.startsWith(`${name}.`));
  assert.ok(named.size > 30, `${named.size} keys`);
  assert.deepEqual([...named].filter((name) => !isKey(name)).sort(), []);
});

test('every file and function that pages for contributors name is there', () => {
  const sources = inRoot('{src,include,tests}/**/*.{cpp,hpp,mjs,py,md}').filter(
    (file) => !file.includes('node_modules'),
  );
  const code = sources.map(contentOf).join('\n');
  const readers = inRoot('docs/{request-life,contributing}.md').concat(inRoot('docs/how-to/*.md'));
  // What an example would add is in the page's own blocks of code.
  const examples = /scatter|http_head|my_|headers_min/;
  const files = namesIn(readers, /`([\w/.-]+\.(?:cpp|hpp|mjs|py))`/g);
  const functions = namesIn(readers, /`(?:\w+::)*(\w+)\(\)`/g);
  assert.ok(files.size > 20 && functions.size > 8, `${files.size} files, ${functions.size} functions`);
  const gone = [...files].filter((file) => !sources.some((source) => `/${source}`.endsWith(`/${file}`)));
  const unknown = [...functions].filter((name) => !new RegExp(`\\b${name}\\(`).test(code));
  assert.deepEqual([...gone, ...unknown].filter((name) => !examples.test(name)), []);
});
