import { TlsCredentials, tlsSettingsOf } from '../../lib/exports/tls-credentials.js';
import { scratchFolder } from '../support/matrix.js';
import { codeThrown } from '../support/requests.js';

const folder = scratchFolder();

test('tls credentials: those of a client are refused to a server with EINVAL', () => {
  const credentials = new TlsCredentials('tls-creds-psk', 'for-clients', { dir: folder });
  try {
    expect(codeThrown(() => tlsSettingsOf('for-clients'))).toBe('EINVAL');
  } finally {
    credentials.delete();
  }
});
