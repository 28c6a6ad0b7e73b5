// Checks claims against their published schemas with ajv-cli, then against the rules that JSON Schema has no words for.
// Called by validate-claim.sh: node validate.mjs SCHEMAS PLACE…; exit 0 all valid, 1 something is not, 2 it cannot be told.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { read } from './documents.mjs';
import { sources } from './files.mjs';
import { explained, written } from './messages.mjs';
import { violations, withDefaults } from './rules.mjs';
import { choose, isKnown, load } from './schemas.mjs';

const KEYWORDS = fileURLToPath(new URL('./keywords.cjs', import.meta.url));

/**
 * Run ajv-cli once for all claims of a kind.
 * @param {object} schema
 * @param {unknown[]} values
 * @returns {object[][]} errors of each value
 */
function schemaErrors(schema, values) {
  if (values.length === 0) return [];
  const folder = mkdtempSync(join(tmpdir(), 'validate-claim-'));
  try {
    const schemaFile = join(folder, 'schema.json');
    writeFileSync(schemaFile, JSON.stringify(schema));
    const files = values.map((value, index) => {
      const file = join(folder, `${index}.json`);
      writeFileSync(file, JSON.stringify(value));
      return file;
    });
    const ajv = join(dirname(createRequire(import.meta.url).resolve('ajv-cli/package.json')), 'dist', 'index.js');
    const options = ['--spec=draft2020', '--strict=true', '--allow-union-types', '--all-errors', '--errors=line'];
    const result = spawnSync(
      process.execPath,
      [ajv, 'validate', ...options, '-c', KEYWORDS, '-s', schemaFile, ...files.flatMap((file) => ['-d', file])],
      { encoding: 'utf8', maxBuffer: 2 ** 28 },
    );
    const told = result.stdout.split('\n');
    const complaints = result.stderr.split('\n');
    return files.map((file) => {
      if (told.includes(`${file} valid`)) return [];
      const at = complaints.indexOf(`${file} invalid`);
      if (at < 0) throw new Error(`ajv-cli did not judge a claim: ${result.error ?? result.stderr}`);
      return JSON.parse(complaints[at + 1]);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is wrong with each claim of a kind: by the schema, or if it fits that, by the rules. */
function judgeKind(schema, claims) {
  const values = claims.map((claim) => withDefaults(schema, claim.value));
  const errors = schemaErrors(schema, values);
  return claims.map((claim, index) =>
    errors[index].length > 0
      ? explained(errors[index], schema, values[index])
      : violations(schema, values[index]),
  );
}

/** What is wrong with each claim, by the schema of its kind. */
function judge(known, claims) {
  const problems = new Map();
  const bySchema = new Map();
  for (const claim of claims) {
    const { schema, problem } = choose(known, claim.value);
    if (problem) problems.set(claim, [problem]);
    else bySchema.set(schema, [...(bySchema.get(schema) ?? []), claim]);
  }
  for (const [schema, group] of bySchema) {
    judgeKind(schema, group).forEach((found, index) => problems.set(group[index], found));
  }
  return claims.map((claim) => problems.get(claim));
}

function main([schemas, ...places]) {
  let known;
  let contents;
  try {
    known = load(schemas);
    const isClaim = (apiVersion, kind) => isKnown(known, apiVersion, kind);
    contents = sources(places).map((source) => ({ ...read(source, isClaim), folder: source.folder }));
  } catch (error) {
    console.error(`validate-claim: ${error.message}`);
    return 2;
  }
  const claims = contents.flatMap((content) => content.claims);
  let wrong = 0;
  for (const folder of new Set(contents.map((content) => content.folder))) {
    const below = contents.filter((content) => content.folder === folder);
    if (folder && below.every(({ claims, problems }) => claims.length === 0 && problems.length === 0)) {
      console.error(`${folder}: no claim in this folder`);
      wrong += 1;
    }
  }
  for (const { file, line, message } of contents.flatMap((content) => content.problems)) {
    console.error(`${file}:${line}: ${message}`);
    wrong += 1;
  }
  judge(known, claims).forEach((problems, index) => {
    const { file, name, line } = claims[index];
    if (problems.length === 0) console.log(`${file}:${line([])}: ${name} is valid`);
    else wrong += 1;
    for (const { path, message } of problems) {
      console.error(`${file}:${line(path)}: ${path.length > 0 ? `${written(path)}: ` : ''}${message}`);
    }
  });
  return wrong > 0 ? 1 : 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(`validate-claim: ${error.message}`);
  process.exitCode = 2;
}
