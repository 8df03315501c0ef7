/** Why a run's worker is gone: parts of a sentence. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'lost.node.unreachable': ['the node {node} cannot be reached', '노드 {node}에 연결할 수 없습니다'],
  'lost.node.silent': [
    'the node {node} has not answered for {seconds} s',
    '노드 {node}에서 {seconds}초 동안 응답이 없습니다',
  ],
  'lost.node.gone': ['the node {node} is gone', '노드 {node}이(가) 사라졌습니다'],
  'lost.node.differs': [
    'the node {node} has {has}, and this server {wants}; the same has to be installed there',
    '노드 {node}의 버전({has})이 이 서버({wants})와 다릅니다. 같은 버전을 설치해야 합니다',
  ],
  'lost.node.memory': [
    'the node {node} ran low on memory, and Ray ended the training process',
    '노드 {node}의 메모리가 모자라 Ray가 학습 프로세스를 끝냈습니다',
  ],
  'lost.worker.node': [
    'the training process on the node {node} was killed, or crashed',
    '노드 {node}에서 학습 프로세스가 강제로 종료되었거나 오류로 멈췄습니다',
  ],
  'lost.worker.failed': [
    'the training process on the node {node} failed: {why}',
    '노드 {node}에서 학습 프로세스가 실패했습니다: {why}',
  ],
  'lost.worker.signal': [
    'the training process was killed (signal {signal})',
    '학습 프로세스가 강제로 종료되었습니다(시그널 {signal})',
  ],
  'lost.worker.code': [
    'the training process ended by itself (exit code {code})',
    '학습 프로세스가 스스로 끝났습니다(종료 코드 {code})',
  ],
  'lost.head': ['the head of the cluster is gone', '클러스터의 헤드 노드가 사라졌습니다'],
  'lost.connection': ['the connection to the cluster broke', '클러스터와의 연결이 끊겼습니다'],
  'lost.cluster': [
    'the cluster cannot be reached. Try again later, or ask whoever runs this server.',
    '클러스터에 연결할 수 없습니다. 잠시 뒤에 다시 시도하거나 서버 관리자에게 알려 주세요.',
  ],
});
