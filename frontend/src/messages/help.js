/** The help: a key of the keyboard, and what it does. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'help.title': ['Help', '도움말'],
  'help.intro': [
    'Press play, then change a setting. Settings with a green dot act on the running model at its next step.',
    '재생을 누르고 설정값을 바꾸어 보세요. 초록 점이 붙은 설정값은 학습 중인 모델의 다음 스텝부터 적용됩니다.',
  ],
  'help.space.key': ['space', '스페이스'],
  'help.space': ['play or pause', '재생 / 일시정지'],
  'help.right.key': ['→', '→'],
  'help.right': ['pause and take one step', '멈추고 한 스텝 진행'],
  'help.reset.key': ['R', 'R'],
  'help.reset': ['start over with the same settings and seed', '같은 설정값과 시드로 처음부터'],
  'help.help.key': ['?', '?'],
  'help.help': ['open this help', '이 도움말'],
  'help.slider.key': ['← → Page Up/Down', '← → Page Up/Down'],
  'help.slider': ['move the focused slider (the wheel works, too)', '선택한 슬라이더 움직이기 (휠도 가능)'],
  'help.double.key': ['double click', '더블 클릭'],
  'help.double': ['reset a slider to its default', '슬라이더를 기본값으로'],
  'help.panel.key': ['Tab, arrows', 'Tab, 화살표'],
  'help.panel': ['go to a picture and read exact values from it', '그림으로 이동해 정확한 값 읽기'],
  'help.timeline.key': ['← → on the timeline', '타임라인에서 ← →'],
  'help.timeline': [
    'see an earlier or later step; Page Up and Page Down go from mark to mark, End and Esc to now',
    '앞뒤 스텝 보기. Page Up/Down은 표시에서 표시로, End와 Esc는 현재로',
  ],
  'help.heads.key': ['[ ]', '[ ]'],
  'help.heads': ['show another attention head', '다른 어텐션 헤드 보기'],
  'help.signs.key': ['+ −', '+ −'],
  'help.signs': [
    'zoom a 3-D picture; on a map, add a point of label +1 or −1',
    '3차원 그림 확대·축소. 지도에서는 레이블 +1 또는 −1인 점 더하기',
  ],
  'help.escape.key': ['Esc', 'Esc'],
  'help.escape': ['close a menu or an enlarged panel', '메뉴나 크게 본 패널 닫기'],
  'help.truth': [
    'Looking never changes the numbers: the same seed gives the same run, watched or not. The step in a panel’s corner says when it was computed.',
    '관찰은 결과를 바꾸지 않습니다. 시드가 같으면 보든 보지 않든 같은 결과가 나옵니다. 패널 모서리의 스텝은 그림을 계산한 시점입니다.',
  ],
});
