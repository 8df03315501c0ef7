/** Saving pictures of a panel as an animation. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'animation.run': ['Save as animation (GIF)', '애니메이션 저장 (GIF)'],
  'animation.pictures': ['Save these images as animation (GIF)', '이 이미지들을 애니메이션으로 저장 (GIF)'],
  'animation.lately': ['Save the last ten seconds (GIF)', '최근 10초 저장 (GIF)'],
  'animation.length': ['{n} pictures, {s} s', '그림 {n}장, {s}초'],
  'animation.rate': ['Pictures per second', '초당 그림 수'],
  'animation.perSecond': ['{n}/s', '초당 {n}장'],
  'animation.few': [
    'Fewer than two pictures of this panel are recorded so far.',
    '아직 기록된 그림이 두 장이 안 됩니다.',
  ],
  'animation.save': ['Save', '저장'],
  'animation.cancel': ['Cancel', '취소'],
  'animation.close': ['Close', '닫기'],
});
