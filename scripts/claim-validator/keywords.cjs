// For ajv-cli's option -c: words of the published schema that JSON Schema leaves to others. Any further one is an error.

module.exports = (ajv) =>
  ajv.addVocabulary([
    'x-kubernetes-validations',
    'x-kubernetes-list-type',
    'x-kubernetes-list-map-keys',
    'x-kubernetes-int-or-string',
  ]);
