/** The lesson on paper, and as a file. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'paper.title': ['The lesson on paper', '레슨 인쇄'],
  'paper.about': [
    'One page with the lesson, the story as a task list, and the pictures you choose, as they are now.',
    '레슨과 따라 하기 과제, 지금 화면에서 고른 그림을 한 문서에 담습니다.',
  ],
  'paper.story': ['The story, as tasks', '따라 하기를 과제로'],
  'paper.why': ['With what is seen, and why', '관찰할 점과 이유까지'],
  'paper.pictures': ['Pictures', '그림'],
  'paper.print': ['Print', '인쇄'],
  'paper.markdown': ['Save as Markdown', 'Markdown으로 저장'],
  'paper.tasks': ['Tasks', '과제'],
  'paper.answer': ['Guess:', '예상:'],
  'paper.seen': ['Seen:', '관찰:'],
  'paper.settings': ['Settings', '설정값'],
  'paper.stepped': ['{title}, step {step}', '{title}, 스텝 {step}'],
});
