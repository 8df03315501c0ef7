/** Passing on what a lab shows: links, presenting, the lesson on paper. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'share.title': ['Share', '공유'],
  'share.link': ['Copy link', '링크 복사'],
  'share.build': ['Link for a class …', '수업용 링크 …'],
  'share.copied': ['The link is copied.', '링크를 복사했습니다.'],
  'share.byHand': ['Copy this link:', '아래 링크를 복사하세요.'],
  'share.whole': [
    'It opens this run here. On another machine Descent makes the same run again, with every change of settings, up to the step shown.',
    '이 컴퓨터에서는 바로 이 실행이 열립니다. 다른 컴퓨터에서는 설정값을 바꾼 것까지 똑같이 되풀이해 지금 보는 스텝까지 다시 학습합니다.',
  ],
  'share.start': [
    'It opens this run here. The settings were changed too often to fit into a link: on another machine it shows only how the run began.',
    '이 컴퓨터에서는 바로 이 실행이 열립니다. 설정값을 바꾼 횟수가 많아 링크에 다 담지 못했으므로 다른 컴퓨터에서는 실행의 시작만 보입니다.',
  ],
  'share.here': [
    'It opens only where this run is recorded: the run goes on from another one in a way that a link cannot repeat. To take it elsewhere, export it in the history.',
    '이 실행이 기록된 컴퓨터에서만 열립니다. 다른 실행을 이어받은 방식을 링크로 되풀이할 수 없기 때문입니다. 다른 컴퓨터로 옮기려면 기록에서 내보내세요.',
  ],
  'share.own': [
    'It needs a file or a recorded run of this machine, which the link does not contain.',
    '이 컴퓨터에 있는 파일이나 기록된 실행이 필요하며, 링크에는 들어 있지 않습니다.',
  ],
  'share.embed': ['Copy embed snippet', '임베드 코드 복사'],
  'share.embedCopied': ['The snippet is copied.', '임베드 코드를 복사했습니다.'],
  'share.embedByHand': ['Copy this snippet:', '아래 임베드 코드를 복사하세요.'],
  'share.embedWhere': [
    'HTML that shows these panels live in another page. Pages of other sites need this server’s leave: start it with --embed-in and their address.',
    '지금 보는 패널을 다른 페이지에 실시간으로 넣는 HTML입니다. 다른 사이트에 넣으려면 서버를 --embed-in 옵션과 그 사이트 주소로 시작해야 합니다.',
  ],
  'embed.open': ['Open in Descent', 'Descent에서 열기'],
  'embed.none': ['This experiment has no run yet.', '이 실험은 아직 실행한 적이 없습니다.'],
  'embed.begin': ['Train', '학습 시작'],
  'embed.address': [
    'This is no address of an embed page: expected /embed/run/ID or /embed/lab/EXPERIMENT.',
    '임베드 페이지 주소가 아닙니다. /embed/run/실행 번호 또는 /embed/lab/실험 형식이어야 합니다.',
  ],
  'share.present': ['Present', '발표 화면'],
  'share.paper': ['Lesson on paper …', '레슨 인쇄 …'],
  'share.weights': ['Save weights …', '가중치 저장 …'],
  'share.weightsAt': ['The model’s weights after step {step}:', '스텝 {step}을(를) 마친 모델의 가중치:'],
  'share.weightsHelp': [
    'Tensors by name, such as model.0.weight. Go back on the timeline for those of an earlier step.',
    'model.0.weight 같은 이름이 붙은 텐서입니다. 타임라인에서 앞선 스텝으로 가면 그 스텝의 가중치를 저장할 수 있습니다.',
  ],

  'present.choose': ['Choose panels and settings', '패널과 설정값 고르기'],
  'present.panels': ['Panels (up to two)', '패널 (두 개까지)'],
  'present.knobs': ['Settings (up to three)', '설정값 (세 개까지)'],
  'present.notes': ['Speaker’s notes', '발표자 노트'],
  'present.leave': ['Leave the presentation', '발표 끝내기'],
  'present.nothing': [
    'Nothing is being presented. Press P in the lab of this experiment.',
    '발표 중이 아닙니다. 이 실험 화면에서 P를 누르세요.',
  ],

  'share.goal': [
    'Making the run of the link again: training to step {step}',
    '링크의 실행을 다시 만드는 중: 스텝 {step}까지 학습합니다',
  ],
});
