/** Settings and the fields in which they are set. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'knobs.title': ['Settings', '설정값'],
  'knobs.presets': ['Try this', '이렇게 해 보세요'],
  'knobs.live': ['Live: takes effect at the next step', '실시간: 다음 스텝부터 적용'],
  'knobs.fixed': ['Starts a new run', '바꾸면 새로 시작'],
  'knobs.seed': ['Seed', '시드'],
  'knobs.seed.help': [
    'The same seed gives the same numbers. Changing it starts a new run.',
    '시드가 같으면 결과도 같습니다. 바꾸면 새 실행이 시작됩니다.',
  ],
  'knobs.roll': ['Another seed', '다른 시드 뽑기'],

  'knob.too-long': [
    '{length} characters; the limit is {most}. It was not applied: shorten it.',
    '{length}자입니다. {most}자까지 쓸 수 있으므로 반영하지 않았습니다. 줄여 주세요.',
  ],
  'knob.fixed': ['Starts a new run.', '바꾸면 새 실행이 시작됩니다.'],
  'knob.follows': ['schedule: {kind}', '스케줄: {kind}'],
  'knob.follows.help': [
    'A schedule sets this value. Change it to leave the schedule.',
    '스케줄이 이 값을 정합니다. 직접 바꾸면 스케줄에서 벗어납니다.',
  ],

  'number.empty': ['Type a number.', '숫자를 넣으세요.'],
  'number.none': ['“{text}” is not a number.', '숫자로 읽을 수 없습니다: {text}'],
  'number.percent': ['Type the number without a percent sign.', '퍼센트 기호 없이 숫자만 넣으세요.'],
  'number.ambiguous': [
    '“{text}” can be read in two ways. Leave out the thousands separator, or write decimals with a point.',
    '두 가지로 읽힙니다: {text}. 천 단위 구분 기호를 빼거나 소수점을 마침표로 쓰세요.',
  ],
  'number.whole': ['Use a whole number.', '정수를 넣으세요.'],
  'number.range': ['From {low} to {high}.', '{low}부터 {high}까지 넣을 수 있습니다.'],

  'sizes.layer': ['layer', '층'],
  'sizes.add': ['Add a layer', '층 추가'],
  'sizes.remove': ['Remove the last layer', '마지막 층 제거'],
  'sizes.fewer': ['One less in layer {n}', '{n}층 하나 줄이기'],
  'sizes.more': ['One more in layer {n}', '{n}층 하나 늘리기'],
  'sizes.units': ['Units in layer {n}', '{n}층의 유닛 수'],

  'points.none': ['Draw on the map', '지도 위에 그려 보세요'],
  'points.clear': ['Clear {n} of at most {most}', '{n}개 지우기 (최대 {most}개)'],

  'grid.cell': ['row {row}, column {column}', '{row}행 {column}열'],
  'grid.keys': [
    'Drag a number up or down, or type it. The arrow keys move, + and − change a number.',
    '수를 위아래로 끌거나 직접 입력하세요. 화살표 키로 옮기고 + 키와 − 키로 값을 바꿉니다.',
  ],
  'grid.rows': ['rows: {n}', '{n}행'],
  'grid.columns': ['columns: {n}', '{n}열'],
  'grid.fewer-rows': ['Remove the last row', '마지막 행 제거'],
  'grid.more-rows': ['Add a row', '행 추가'],
  'grid.fewer-columns': ['Remove the last column', '마지막 열 제거'],
  'grid.more-columns': ['Add a column', '열 추가'],

  'drawing.label': [
    '{name}: {rows} × {columns} pixels. Arrow keys move, Shift draws along, Space paints, Backspace erases.',
    '{name}: {rows} × {columns}픽셀. 화살표 키로 옮기고, Shift를 누른 채 옮기면 선을 긋고, 스페이스로 칠하고, 백스페이스로 지웁니다.',
  ],
  'drawing.empty': ['Draw here', '여기에 그리세요'],
  'drawing.clear': ['Clear', '지우기'],
  'drawing.at': ['Row {row}, column {column}: {ink}% ink', '{row}행 {column}열: 잉크 {ink}%'],
});
