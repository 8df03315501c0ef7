/** The story of an experiment: its steps, its questions, the way through it. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'story.challenges': ['Challenges', '도전'],
  'story.predict': ['Predict', '예상하기'],
  'story.stars': ['{n} of {all} stars', '별 {all}개 중 {n}개'],
  'story.title': ['Story', '따라 하기'],
  'story.step': ['Step {n} of {all}', '{n} / {all}단계'],
  'story.ticked': ['done', '완료'],
  'story.show': ['Show me', '대신 해 주기'],
  'story.next': ['Next', '다음'],
  'story.close': ['Put the story aside', '따라 하기 접기'],
  'story.open': ['Story {done}/{all}', '따라 하기 {done}/{all}'],
  'story.again': ['Start the story again', '처음부터 다시 따라 하기'],
  'story.guess': ['Your guess first:', '먼저 예상해 보세요:'],
  'story.guessed': [
    'You guessed: {answer}. See whether it comes true.',
    '예상: {answer}. 맞는지 지켜보세요.',
  ],
  'story.right': ['You guessed right.', '예상이 맞았습니다.'],
  'story.wrong': [
    'You guessed “{answer}”. It was: {right}.',
    '예상은 ‘{answer}’, 실제로는 ‘{right}’였습니다.',
  ],
  'story.neither': ['This time it was none of the answers.', '이번에는 어느 쪽도 아니었습니다.'],
  'story.over': [
    'That is the whole story. Try a preset on your own, or go on to the next experiment.',
    '여기까지가 전부입니다. 프리셋을 직접 골라 보거나 다음 실험으로 넘어가세요.',
  ],
  'story.onward': ['Next: {title}', '다음 실험: {title}'],
});
