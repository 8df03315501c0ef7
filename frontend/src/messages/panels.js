/** The frame of a panel, and what each kind of panel shows. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'panel.step': ['step {step}', '스텝 {step}'],
  'panel.stamp': ['Computed at this step', '이 스텝에서 계산한 그림'],
  'panel.stale': [
    'This picture is old: drawing is limited so that training is not slowed',
    '오래된 그림입니다. 학습이 느려지지 않도록 그리는 횟수를 줄였습니다',
  ],
  'panel.slowed': ['slowed ·', '느리게 갱신 ·'],
  'panel.more': ['more', '더 보기'],
  'panel.less': ['less', '접기'],
  'panel.menu': ['Menu of {title}', '{title} 메뉴'],
  'panel.enlarge': ['Enlarge', '크게 보기'],
  'panel.shrink': ['Restore size', '원래 크기로'],
  'panel.png': ['Save picture (PNG)', '그림 저장 (PNG)'],
  'panel.data': ['Save data', '데이터 저장'],
  'panel.hide': ['Hide', '숨기기'],
  'panel.restore': ['Show {n} hidden', '숨긴 패널 {n}개 보기'],
  'panel.further': ['More ({n})', '패널 더 보기 ({n})'],
  'panel.fewer': ['Fewer panels', '패널 줄이기'],
  'panel.unloaded': [
    'This part of the page did not arrive. Reload the page.',
    '페이지의 이 부분을 받지 못했습니다. 페이지를 새로 고치세요.',
  ],
  'panel.failed': ['This panel could not be computed: {error}', '이 패널을 계산하지 못했습니다: {error}'],

  'legend.toggle': ['Show or hide this series', '이 곡선 보이기 / 숨기기'],

  'scalars.smoothing': ['Smoothing', '평활화'],
  'scalars.log': ['log', '로그'],
  'scalars.unplaced': [
    'Values ≤ 0, not shown on a log axis: {count}',
    '0 이하라서 로그 축에 나타낼 수 없는 값: {count}개',
  ],
  'scalars.linear': [
    'No value is above 0: the axis is linear instead of logarithmic.',
    '0보다 큰 값이 없어 로그 축 대신 선형 축으로 그립니다.',
  ],
  'scalars.logHelp': ['Logarithmic axis', '로그 축'],
  'scalars.thinned': ['min, mean and max of an interval', '구간의 최솟값, 평균, 최댓값'],

  'images.count': ['{count} images', '이미지 {count}장'],
  'images.film': ['Earlier images', '이전 이미지'],
  'images.live': ['back to live', '실시간으로'],

  'maps.channel': ['channel {n}', '채널 {n}'],
  'maps.at': ['row {row}, column {column}', '{row}행 {column}열'],
  'maps.keys': [
    'Arrow keys pick a layer and a channel, with Shift a value of its map.',
    '화살표 키로 층과 채널을 고르고, Shift를 누르면 맵 안의 값을 고릅니다.',
  ],

  'blueprint.input': ['picture', '입력 이미지'],
  'blueprint.convolution': ['convolution', '합성곱'],
  'blueprint.pooling': ['pooling', '풀링'],
  'blueprint.norm': ['batch norm', '배치 정규화'],
  'blueprint.dense': ['dense', '완전 연결'],
  'blueprint.parameters': ['parameters', '파라미터'],
  'blueprint.products': ['multiply-adds', '곱셈-덧셈'],
  'blueprint.takes': [
    '{parameters} parameters, {products} multiply-adds',
    '파라미터 {parameters}개, 곱셈-덧셈 {products}번',
  ],
  'blueprint.total': [
    '{parameters} parameters · {products} million multiply-adds',
    '파라미터 {parameters}개 · 곱셈-덧셈 {products}백만 번',
  ],

  'heatmap.pick': ['Click a cell, or press Enter on it, to pick it.', '칸을 누르거나 Enter를 눌러 고르세요.'],
  'heatmap.row': ['row', '행'],
  'heatmap.column': ['column', '열'],

  'convolution.place': ['output row {row}, column {column}', '출력 {row}행 {column}열'],
  'convolution.keys': [
    'The arrow keys move the window, Escape lets it slide by itself.',
    '화살표 키로 창을 옮기고, Escape 키를 누르면 창이 다시 스스로 움직입니다.',
  ],
  'convolution.sum': ['sum of {n} products: {value}', '곱 {n}개의 합: {value}'],
  'convolution.slide': ['Let the window slide', '창 움직이기'],
  'convolution.hold': ['Hold the window', '창 멈추기'],

  'lines.many': ['from {first} (dark) to {last} (bright)', '{first}(어두움)부터 {last}(밝음)까지'],

  'contour.2d': ['2-D', '2차원'],
  'contour.3d': ['3-D', '3차원'],
  'contour.view': ['View', '보기'],
  'contour.value': ['value', '값'],
  'contour.minimum': ['minimum', '최솟값'],
  'contour.out': ['diverged', '발산'],
  'contour.show': ['Show {name}', '{name} 보이기'],
  'contour.hide': ['Hide {name}', '{name} 숨기기'],
  'contour.start': [
    'Start at ({x}, {y}): drag it, or move it with the arrow keys',
    '출발점 ({x}, {y}): 끌거나 화살표 키로 옮깁니다',
  ],
  'contour.summary': [
    '{title} at step {step}. Values now: {racers}',
    '{title}, 스텝 {step}. 현재 값: {racers}',
  ],
  'contour.orbit': [
    'Drag or use the arrow keys to turn, + and − to zoom, Home to reset.',
    '끌거나 화살표 키로 돌리고, + 키와 − 키로 확대·축소하고, Home 키로 처음 시점으로 돌아갑니다.',
  ],
  'contour.reset': ['Reset view', '시점 초기화'],
  'contour.noWebgl': [
    '3-D needs WebGL, which this browser does not support.',
    '3차원 보기에는 WebGL이 필요한데, 이 브라우저에서는 쓸 수 없습니다.',
  ],

  'field.summary': [
    '{title} at step {step}: {count} points on the map, {drawn} of them your own',
    '{title}, 스텝 {step}: 지도 위의 점 {count}개, 그중 직접 그린 점 {drawn}개',
  ],
  'field.value': ['output', '출력'],
  'field.split0': ['train', '훈련'],
  'field.split1': ['test', '테스트'],
  'field.split2': ['your own', '직접 그린 점'],
  'field.draw': ['Draw points', '점 그리기'],
  'field.positive': ['+1', '+1'],
  'field.positive.title': [
    'Add points of label +1: click or drag on the map (key +)',
    '레이블 +1인 점 더하기: 지도를 누르거나 끕니다 (+ 키)',
  ],
  'field.negative': ['−1', '−1'],
  'field.negative.title': [
    'Add points of label −1: click or drag on the map (key −)',
    '레이블 −1인 점 더하기: 지도를 누르거나 끕니다 (− 키)',
  ],
  'field.erase': ['Erase', '지우기'],
  'field.erase.title': [
    'Erase your own points: click or drag over them (Backspace: the nearest)',
    '직접 그린 점 지우기: 점 위를 누르거나 끕니다 (Backspace: 가장 가까운 점)',
  ],
  'field.clear': ['Clear', '모두 지우기'],
  'field.clear.title': ['Remove all your own points', '직접 그린 점을 모두 지웁니다'],
  'field.count': ['{count} drawn', '{count}개 그림'],
  'field.full': ['{most} points (limit)', '{most}개: 더 그릴 수 없습니다'],

  'arrows.summary': [
    '{title} at step {step}: {counts}. Mean length of the arrows {length}',
    '{title}, 스텝 {step}: {counts}. 화살표의 평균 길이 {length}',
  ],
  'arrows.value': ['output', '출력'],
  'arrows.length': ['gradient', '그래디언트'],
  'arrows.picture': ['picture: {name}', '그림: {name}'],
  'arrows.path': ['path', '경로'],
  'arrows.mesh': ['bent grid', '휘어진 격자'],
  'arrows.arrows': ['arrows', '화살표'],
  'arrows.show': ['Show {name}', '{name} 보이기'],
  'arrows.hide': ['Hide {name}', '{name} 숨기기'],

  'graph.summary': [
    '{title} at step {step}, units per layer {layers}, largest weight {most}',
    '{title}, 스텝 {step}, 층별 유닛 수 {layers}, 가장 큰 가중치 {most}',
  ],
  'graph.input': ['input {unit}', '입력 {unit}'],
  'graph.unit': ['layer {layer}, unit {unit}', '{layer}층 유닛 {unit}'],
  'graph.output': ['output {unit}', '출력 {unit}'],
  'graph.noBias': ['input, no bias', '입력, 편향 없음'],

  'attention.alone': ['{title} at step {step}: one map.', '{title}, 스텝 {step}: 맵 하나입니다.'],
  'attention.summary': [
    '{title} at step {step}: {layers} layers of {heads} heads, shown large: {map}. Keys [ and ] show another.',
    '{title}, 스텝 {step}: {layers}개 층, 층마다 헤드 {heads}개, 크게 보는 것은 {map}. [ 키와 ] 키로 다른 헤드를 봅니다.',
  ],
  'attention.map': ['layer {layer} · head {head}', '{layer}층 · 헤드 {head}'],
  'attention.maps': ['All layers and heads', '모든 층과 헤드'],
  'attention.layer': ['layer {n}', '{n}층'],
  'attention.layer.short': ['L{n}', 'L{n}'],
  'attention.head': ['head {n}', '헤드 {n}'],
  'attention.head.short': ['H{n}', 'H{n}'],
  'attention.query': ['query {n}: “{token}”', '쿼리 {n}: “{token}”'],
  'attention.key': ['key {n}: “{token}”', '키 {n}: “{token}”'],
  'attention.queries': ['query: who looks', '쿼리: 보는 쪽'],
  'attention.keys': ['key: what is looked at', '키: 보이는 쪽'],
  'attention.ways': ['How it is drawn', '그리는 방식'],
  'attention.asMap': ['map', '맵'],
  'attention.asLines': ['lines', '선'],
  'attention.heads': ['heads of layer {n}', '{n}층의 헤드'],
  'attention.layers': ['layer', '층'],
  'attention.save': ['Save as a page (HTML)', '웹 페이지로 저장 (HTML)'],
  'attention.saved': [
    '{title}, {experiment}, step {step}. Point at a token to see whom it looks at, or who looks at it.',
    '{title}, {experiment}, 스텝 {step}. 토큰을 가리키면 그 토큰이 보는 곳이나 그 토큰을 보는 곳만 남습니다.',
  ],
  'attention.masked': ['masked', '마스크됨'],

  'tokens.summary': [
    '{title} at step {step}: {count} tokens coloured by {name}, {low} to {high}',
    '{title}, 스텝 {step}: 토큰 {count}개, 색은 {name} ({low} ~ {high})',
  ],
  'tokens.value': ['value', '값'],
  'tokens.none': ['no value', '값 없음'],
  'tokens.place': ['“{token}”, position {n}', '“{token}”, 위치 {n}'],
  'tokens.marked': ['{name}: yes', '{name}: 예'],
  'tokens.unmarked': ['{name}: no', '{name}: 아니요'],
  'tokens.mark': ['marked', '표시'],

  'traces.position': ['{title}: position in the text', '{title}: 텍스트에서의 위치'],
  'traces.picked': [
    'Position {position} of {count}, {token}: {signals}',
    '위치 {position}(전체 {count}), {token}: {signals}',
  ],
  'traces.none': ['No position picked', '선택한 위치 없음'],
  'traces.newline': ['new line', '줄바꿈'],
  'traces.space': ['space', '공백'],

  'ranking.name': ['name', '이름'],
  'ranking.sort': ['Sort by {name}', '{name} 기준으로 정렬'],
  'ranking.chance': ['chance', '우연'],
  'ranking.held': ['order held while you are looking', '보는 동안 순서 유지'],
});
