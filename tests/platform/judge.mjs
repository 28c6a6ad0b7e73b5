// Judges many claims in one process: node judge.mjs FOLDER < {schemas: [schema, …], cases: [{schema: index, claim}, …]}
// with the modules of the installed validator in FOLDER. Prints for each claim the list of complaints.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const require = createRequire(join(folder, 'package.json'));
const Ajv = require('ajv/dist/2020').default;
const addKeywords = require('./keywords.cjs');
const { explained, written } = await import(pathToFileURL(join(folder, 'messages.mjs')));
const { violations, withDefaults } = await import(pathToFileURL(join(folder, 'rules.mjs')));

let input = '';
for await (const chunk of process.stdin) input += chunk;
const { schemas, cases } = JSON.parse(input);
// One for all: each new one would compile the meta-schema again. Whether they are schemas at all, other tests look.
const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, strictRequired: false, validateSchema: false });
addKeywords(ajv);
const compiled = schemas.map((schema) => ajv.compile(schema));
const verdicts = cases.map(({ schema: index, claim }) => {
  const [schema, validate] = [schemas[index], compiled[index]];
  const value = withDefaults(schema, claim);
  const problems = validate(value)
    ? violations(schema, value)
    : explained(validate.errors, schema, value);
  return problems.map(({ path, message }) => `${written(path)}: ${message}`);
});
console.log(JSON.stringify(verdicts));
