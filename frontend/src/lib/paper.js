/** A lesson with its story and pictures as one Markdown file. Pure. */

/** @typedef {{title: string, url: string}} Drawn  a picture: its caption and its PNG as a data URL */
/**
 * @typedef {object} Sheet
 * @property {string} title
 * @property {string} summary
 * @property {string} settings  the knobs that differ from the defaults, in words
 * @property {import('./story.js').StoryStep[]} story  empty if it is left out
 * @property {boolean} why  whether the story says what is seen, and why
 * @property {string} lesson  Markdown
 * @property {Drawn[]} pictures
 * @property {(name: string) => string} valueOf  a knob's or a scalar's value in words
 */
/** @typedef {Record<'tasks' | 'answer' | 'seen' | 'settings', string>} Words */

/** @param {Sheet} sheet @param {Words} words */
export function markdownOf(sheet, words) {
  const { title, summary, settings, story, why, lesson, pictures } = sheet;
  const tasks = story.map((step) => {
    const asked = step.ask ? [`   ${step.ask} ${step.answers.map(({ say }) => `☐ ${say}`).join('  ')}`] : [];
    const told = why ? [`   ${step.see} ${step.why}`] : [`   ${words.seen} ______`];
    return [`1. **${step.do}**`, ...asked, ...told].join('\n');
  });
  const parts = [
    `# ${title}`,
    summary,
    settings && `${words.settings}: ${settings}`,
    ...pictures.map((picture, i) => `![${picture.title}][picture-${i + 1}]\n\n*${picture.title}*`),
    tasks.length && `## ${words.tasks}\n\n${tasks.join('\n')}`,
    lesson.trim().replace(/\{\{\s*([\w/-]+)\s*\}\}/g, (_, name) => sheet.valueOf(name)),
    pictures.map((picture, i) => `[picture-${i + 1}]: ${picture.url}`).join('\n'),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}
