/** What every view shows: the top bar, the state of the connection, addresses that lead nowhere. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'app.tagline': ['see deep learning happen', '눈으로 보는 딥러닝'],
  'app.history': ['History', '기록'],
  'app.data': ['Data', '데이터'],
  'app.skip': ['Skip to the pictures', '그림으로 건너뛰기'],
  'app.skip.controls': ['Skip to the run controls', '실행 제어로 건너뛰기'],
  'app.breadcrumb': ['Where you are', '현재 위치'],
  'app.theme': ['Light or dark', '밝게 / 어둡게'],
  'app.help': ['Help', '도움말'],
  'app.close': ['Close', '닫기'],

  'connection.open': ['connected', '연결됨'],
  'connection.none': [
    'The server is not responding. Is it running?',
    '서버가 응답하지 않습니다. 실행 중인지 확인하세요.',
  ],
  'connection.unexpected': [
    'The server sent an unexpected response ({status}).',
    '서버가 예상하지 못한 응답을 보냈습니다({status}).',
  ],
  'connection.full': [
    'Too many pages are watching. This one connects when there is room.',
    '보고 있는 페이지가 너무 많습니다. 자리가 나면 연결합니다.',
  ],
  'connection.lost': [
    'Connection lost: reconnecting. Changes you make now apply once it is back.',
    '연결이 끊겨 다시 연결하고 있습니다. 그동안 바꾼 것은 연결되면 적용됩니다.',
  ],
  'connection.gone': ['This run is no longer on the server.', '이 실행은 더 이상 서버에 없습니다.'],

  'missing.gone': ['This run was not found', '실행을 찾을 수 없습니다'],
  'missing.gone.why': [
    'There is no run “{id}” on this server. It was deleted, or the address is wrong.',
    '이 서버에는 ‘{id}’ 실행이 없습니다. 삭제되었거나 주소가 잘못되었습니다.',
  ],
  'missing.elsewhere': ['This run belongs to another experiment', '다른 실험의 실행입니다'],
  'missing.elsewhere.why': [
    'The run “{id}” exists, but the address leads to the wrong experiment.',
    '‘{id}’ 실행은 있지만 주소가 다른 실험을 가리킵니다.',
  ],
  'missing.link': ['This link cannot be opened', '링크를 열 수 없습니다'],
  'missing.there': ['Open it there', '그 실험에서 열기'],
  'missing.unread': ['This run could not be opened', '실행을 열지 못했습니다'],
  'missing.retry': ['Try again', '다시 시도'],
  'missing.new': ['Start a new run', '새 실행 시작'],

  'nowhere.title': ['Page not found', '페이지를 찾을 수 없습니다'],
  'nowhere.why': ['There is nothing at “{path}”.', '‘{path}’ 주소에는 아무것도 없습니다.'],
  'nowhere.home': ['Back to all experiments', '실험 목록으로'],
});
