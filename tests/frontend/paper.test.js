import { expect, test } from 'vitest';
import { markdownOf } from '../../frontend/src/lib/paper.js';

const WORDS = { tasks: 'Tasks', answer: 'Guess:', seen: 'Seen:', settings: 'Settings' };
/** @type {any} */
const SHEET = {
  title: 'A line',
  summary: 'It follows points.',
  settings: 'η 0.3',
  story: [
    {
      do: 'Pull η.',
      see: 'It leaves.',
      why: 'Too long.',
      ask: 'Where?',
      answers: [{ say: 'Up' }, { say: 'Down' }],
    },
    { do: 'Wait.', see: 'It rests.', why: 'Slope 0.', ask: '', answers: [] },
  ],
  why: false,
  lesson: '## The step\n\nWith $\\eta = {{lr}}$ the loss is {{ loss/train }}.\n',
  pictures: [{ title: 'Bowl, step 3', url: 'data:image/png;base64,AA==' }],
  valueOf: (/** @type {string} */ name) => ({ lr: '0.3', 'loss/train': '1.25' })[name] ?? '–',
};

test('a lesson in Markdown has its formulas, values, tasks and pictures', () => {
  expect(markdownOf(SHEET, WORDS)).toBe(`# A line

It follows points.

Settings: η 0.3

![Bowl, step 3][picture-1]

*Bowl, step 3*

## Tasks

1. **Pull η.**
   Where? ☐ Up  ☐ Down
   Seen: ______
1. **Wait.**
   Seen: ______

## The step

With $\\eta = 0.3$ the loss is 1.25.

[picture-1]: data:image/png;base64,AA==
`);
});

test('it says what is seen and why where that is wanted, and nothing of what is left out', () => {
  const told = markdownOf({ ...SHEET, why: true, pictures: [], settings: '' }, WORDS);
  expect(told).toContain('   It leaves. Too long.');
  expect(told).not.toContain('Seen:');
  expect(told).not.toContain('picture');
  expect(markdownOf({ ...SHEET, story: [] }, WORDS)).not.toContain('Tasks');
});
