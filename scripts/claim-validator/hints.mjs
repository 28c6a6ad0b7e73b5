// What somebody may have meant who wrote what does not fit: the usual slips, guessed from the schema and never from a list of
// APIs. Nothing of a value is ever repeated, because it may be a password.

/** What a claim calls by another name than Kubernetes does: word of Kubernetes → field of `spec`, if the claim has it. */
const KUBERNETES = new Map([
  ['containerPort', 'port'],
  ['containers', 'image'],
  ['envFrom', 'secretRefs'],
  ['initContainers', 'initContainer'],
  ['livenessProbe', 'probes'],
  ['ports', 'port'],
  ['readinessProbe', 'probes'],
  ['replicas', 'scaling'],
  ['serviceAccountName', 'serviceAccount'],
  ['valueFrom', 'secretRefs'],
]);
/** Letters that may be wrong, missing or too many. */
const SLIPS = 2;

/**
 * Guess at a field that does not exist.
 * @param {string} name as it was written
 * @param {object} siblings fields that could stand there, by name
 * @param {object} schema of the claim
 * @param {string} where path of the object that it was written in, with its dot
 * @returns {string} what was meant, or nothing
 */
export function field(name, siblings, schema, where) {
  const spec = schema.properties?.spec ?? {};
  const translated = KUBERNETES.get(name);
  if (translated && spec.properties?.[translated]) return `; that is spec.${translated} here`;
  const near = closest(name, Object.keys(siblings));
  if (near) return `; did you mean ${where}${near}?`;
  const elsewhere = paths(spec, 'spec').filter((path) => path.slice(path.lastIndexOf('.') + 1) === name);
  return elsewhere.length === 1 ? `; did you mean ${elsewhere[0]}?` : '';
}

/**
 * Guess at a value of another type.
 * @param {string[]} wanted names of types
 * @param {unknown} value
 * @param {object} schema of the field
 * @returns {string}
 */
export function type(wanted, value, schema) {
  if (wanted.includes('array') && !Array.isArray(value)) return `; write a list: ${entry(schema.items)}`;
  if (wanted.includes('object') && Array.isArray(value)) return '; it is no list: leave out the "- "';
  if (wanted.includes('object') && typeof value === 'string') return `; write ${map(schema)}`;
  if (wanted.includes('string') && ['number', 'boolean'].includes(typeof value)) {
    return new RegExp(schema.pattern ?? '', 'u').test(String(value)) ? '; put it in quotes' : '';
  }
  if (typeof value === 'string' && /^(-?[0-9]+|true|false)$/.test(value)) return '; leave out the quotes';
  return '';
}

/**
 * Guess at a text that would fit if it were written a little differently.
 * @param {string} pattern
 * @param {unknown} value
 * @param {object} schema of the field
 * @returns {string}
 */
export function pattern(pattern, value, schema) {
  if (typeof value !== 'string') return '';
  const fits = (text) => new RegExp(pattern, 'u').test(text);
  const scheme = /^[a-z]+:\/\//;
  const [usual] = scheme.exec(schema.default ?? '') ?? [''];
  if (value === '') return '; it is empty';
  if (value !== value.trim() && fits(value.trim())) return '; leave out the spaces around it';
  if (fits(value.toLowerCase())) return '; write it in lower case';
  if (scheme.test(value) && fits(value.replace(scheme, ''))) return '; leave out what ends in "://"';
  if (usual && fits(usual + value)) return `; begin it with ${usual}`;
  return '';
}

/** One entry of a list as it is written. */
function entry(items) {
  return items?.type === 'object' ? `- ${map(items)}` : '- …';
}

/** An object as it is written, with the fields that it has to have. */
function map(schema) {
  const names = schema?.required ?? Object.keys(schema?.properties ?? {}).slice(0, 1);
  return names.length > 0 ? `{${names.map((name) => `${name}: …`).join(', ')}}` : '{…: …}';
}

/** The one name that differs least, by slips, case or an addition; nothing if that is more than a guess. */
function closest(name, names) {
  const low = name.toLowerCase();
  const slips = names.map((other) => distance(low, other.toLowerCase()));
  const least = Math.min(...slips);
  const near = names.filter((_, at) => slips[at] === least && least <= Math.min(SLIPS, low.length - 2));
  if (near.length === 1) return near[0];
  const partly = names.filter((other) => low.length > 2 && other.length > 2 && alike(low, other.toLowerCase()));
  return partly.length === 1 ? partly[0] : undefined;
}

function alike(one, other) {
  return one.includes(other) || other.includes(one);
}

/** The number of letters to put in, take out or replace (Levenshtein). */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let at = 1; at <= from.length; at += 1) {
    const next = [at];
    for (let to_ = 1; to_ <= to.length; to_ += 1) {
      const replaced = row[to_ - 1] + (from[at - 1] === to[to_ - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[to_] + 1, next[to_ - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}

/** The paths of all fields below one. */
function paths(schema, path) {
  const inner = schema?.items?.properties ? schema.items : schema;
  const here = inner === schema ? path : `${path}[]`;
  return Object.entries(inner?.properties ?? {}).flatMap(([name, child]) => [
    `${here}.${name}`,
    ...paths(child, `${here}.${name}`),
  ]);
}
