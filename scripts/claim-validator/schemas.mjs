// The published schemas, and which of them a claim is judged by.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {{apiVersion: string, group: string, kind: string, schema: object}} Known
 */

/**
 * Read the schemas of a folder, or a single one.
 * @param {string} place
 * @returns {Known[]}
 */
export function load(place) {
  const files = statSync(place).isDirectory()
    ? readdirSync(place).filter((name) => name.endsWith('.schema.json')).sort().map((name) => join(place, name))
    : [place];
  return files.map((file) => {
    const schema = JSON.parse(readFileSync(file, 'utf8'));
    const apiVersion = schema.properties.apiVersion.const;
    return { apiVersion, group: groupOf(apiVersion), kind: schema.properties.kind.const, schema };
  });
}

/** Whether an object means to be one of the known claims: by its kind, or by its group, so that neither can be misspelt. */
export function isKnown(known, apiVersion, kind) {
  return known.some((one) => one.kind === kind || one.group === groupOf(apiVersion));
}

/**
 * The schema that a claim is judged by.
 * @param {Known[]} known
 * @param {unknown} claim
 * @returns {{schema: object} | {problem: {path: string[], message: string}}} a problem if the kind leaves several
 */
export function choose(known, claim) {
  const kind = claim?.kind;
  const named = known.find((one) => one.kind === kind);
  if (named) return { schema: named.schema };
  const group = typeof claim?.apiVersion === 'string' ? groupOf(claim.apiVersion) : undefined;
  const related = known.filter((one) => one.group === group);
  const candidates = related.length > 0 ? related : known;
  if (candidates.length === 1) return { schema: candidates[0].schema };
  const path = ['kind'];
  const kinds = candidates.map((one) => one.kind).join(', ');
  return { problem: { path, message: `${kind === undefined ? 'required, but missing; ' : ''}must be one of ${kinds}` } };
}

function groupOf(apiVersion) {
  return apiVersion.split('/')[0];
}
