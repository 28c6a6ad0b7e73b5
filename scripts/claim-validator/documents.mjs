// Reads the claims out of YAML files, with the line of each field, so that an error can say where it is.
// YAML is read as the Kubernetes API's clients read it: version 1.1 (`yes` is a boolean), but dates and times are texts.

import { LineCounter, isMap, isSeq, parseAllDocuments } from 'yaml';

/** Floats as Go's YAML reader knows them; the library's own would take a variable named E0 for one, and a dot too. */
const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)$/;
const FLOAT_WITH_EXPONENT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$/;

/**
 * @typedef {{file: string, name: string, value: unknown, line: (path: (string|number)[]) => number}} Claim
 * @typedef {{file: string, line: number, message: string}} Problem
 */

/**
 * Read one file. Objects that are no claims (a Role beside one) are left alone.
 * @param {import('./files.mjs').Source} source
 * @param {(apiVersion: string, kind: string) => boolean} isClaim whether an object is one of the platform's claims
 * @returns {{claims: Claim[], problems: Problem[]}}
 */
export function read({ name: file, text, folder }, isClaim) {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: '1.1',
    lineCounter: lines,
    customTags: asKubernetesReads,
  });
  const claims = [];
  const problems = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error) {
      const [message] = error.message.replace(/ at line \d+, column \d+:?/, '').split('\n');
      problems.push({ file, line: error.linePos?.[0].line ?? 1, message: `this is no YAML: ${message}` });
      continue;
    }
    for (const node of objects(document.contents)) {
      let value;
      try {
        value = node.toJS(document);
      } catch (failure) {
        problems.push({ file, line: lines.linePos(node.range[0]).line, message: failure.message });
        continue;
      }
      const { apiVersion, kind } = value ?? {};
      // What does not even say what it is was meant to be a claim, as far as anybody can tell, if its file was named.
      const says = typeof apiVersion === 'string' && typeof kind === 'string';
      if (says ? !isClaim(apiVersion, kind) : folder) continue;
      const name = `${typeof kind === 'string' ? kind : '?'}/${value?.metadata?.name ?? '?'}`;
      claims.push({ file, name, value, line: (path) => lineOf(node, path, lines) });
    }
  }
  if (claims.length === 0 && problems.length === 0 && !folder) {
    problems.push({ file, line: 1, message: 'no claim in this file' });
  }
  return { claims, problems };
}

function asKubernetesReads(tags) {
  return tags
    .filter((tag) => tag.tag !== 'tag:yaml.org,2002:timestamp' && tag.format !== 'TIME')
    .map((tag) => {
      if (tag.tag !== 'tag:yaml.org,2002:float') return tag;
      if (tag.test.test('1e5')) return { ...tag, test: FLOAT_WITH_EXPONENT };
      return tag.test.test('1.5') ? { ...tag, test: FLOAT } : tag;
    });
}

/** The objects of a document: itself, or the items of a List; none if it is empty. */
function objects(contents) {
  if (contents === null) return [];
  if (isMap(contents) && contents.get('kind') === 'List' && isSeq(contents.get('items'))) {
    return contents.get('items').items;
  }
  return [contents];
}

/** The line of the deepest part of `path` that is written down. */
function lineOf(root, path, lines) {
  let node = root;
  let offset = root.range?.[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key?.value ?? item.key) === String(step));
      if (!pair) break;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && node.items[step]) {
      node = node.items[step];
      offset = node.range?.[0] ?? offset;
    } else {
      break;
    }
  }
  return lines.linePos(offset).line;
}
