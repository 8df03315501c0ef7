/** What every view shows: the top bar, the state of the connection, addresses that lead nowhere. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'app.tagline': ['see deep learning happen', '눈으로 보는 딥러닝'],
  'app.skip': ['Skip to the pictures', '그림으로 건너뛰기'],
  'app.breadcrumb': ['Where you are', '현재 위치'],
  'app.theme': ['Light or dark', '밝게 / 어둡게'],
  'app.close': ['Close', '닫기'],

  'connection.open': ['connected', '연결됨'],
  'connection.full': [
    'Too many pages watch. This one waits until there is room.',
    '너무 많은 페이지가 보고 있습니다. 자리가 날 때까지 기다립니다.',
  ],
  'connection.lost': [
    'Connection lost: reconnecting. What you set meanwhile takes effect when it is back.',
    '연결이 끊겨 다시 연결하고 있습니다. 그동안 바꾼 것은 연결되면 적용됩니다.',
  ],
  'connection.gone': ['This run is no longer on the server.', '이 실행은 더 이상 서버에 없습니다.'],

  'missing.gone': ['This run is not here any more', '이 실행은 더 이상 없습니다'],
  'missing.gone.why': [
    'There is no run “{id}” on this server. It was deleted, or the address is not complete.',
    '이 서버에는 ‘{id}’ 실행이 없습니다. 삭제되었거나 주소가 잘못되었습니다.',
  ],
  'missing.elsewhere': ['This run is of another experiment', '다른 실험의 실행입니다'],
  'missing.elsewhere.why': [
    'The run “{id}” exists, but the address leads to the wrong experiment.',
    '‘{id}’ 실행은 있지만 주소가 다른 실험을 가리킵니다.',
  ],
  'missing.there': ['Open it there', '그 실험에서 열기'],
  'missing.unread': ['This run could not be opened', '실행을 열지 못했습니다'],
  'missing.retry': ['Try again', '다시 시도'],
  'missing.new': ['Begin a new run', '새 실행 시작'],

  'nowhere.title': ['There is no such page', '그런 페이지가 없습니다'],
  'nowhere.why': ['Nothing is found at “{path}”.', '‘{path}’ 주소에는 아무것도 없습니다.'],
  'nowhere.home': ['To all experiments', '실험 목록으로'],
});
