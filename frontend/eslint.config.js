import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';

export default [
  js.configs.recommended,
  ...svelte.configs['flat/recommended'],
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  // Plain Maps and Sets are meant: what is reactive in these classes says so with $state.
  { files: ['**/*.svelte.js'], rules: { 'svelte/prefer-svelte-reactivity': 'off' } },
  { ignores: ['node_modules/', 'dist/'] },
];
