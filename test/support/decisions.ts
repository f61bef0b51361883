/**
 * The decisions of role.ts, written down: for each role its next role and actions, by the observations of
 * test/unit/role.test.ts. Observations that are missing are assertions. A changed line here changes which node may
 * serve.
 */
export const decisions: Readonly<Record<string, readonly string[]>> = {
  starting: [
    'looking retire leadOn follow attach wasWhole=true <- outranked',
    'starting <- passer reigns; passer reigns, and is asked; passer looks; all look; ' +
      'answered; old yields',
    'starting awaitChallenge <- opened, attachable',
    'binding bind isCertain=true <- opened, by itself; paused',
    'looking lookElsewhere attachLater <- open failed',
    'starting (letIn) <- standby came; standby came, the lost one',
    'starting (busy) <- standby came, and there is one',
    'starting mirror=mirrored <- counted',
    'starting (forget) <- copying standby lost; copying standby dropped',
    'starting forgetStandby <- standby died',
    'ended <- stopped',
    'starting (ours) <- claimed by another; met a lesser reign',
    'starting (theirs) <- met a greater reign',
    'starting (apart) <- met a reign of another cache',
  ],
  looking: [
    'looking lookElsewhere attachLater <- refused here; refused elsewhere; reset; ' +
      'unreachable; lost; silence, a hello; silence, a copy; turned away, busy; ' +
      'turned away, may be elsewhere; turned away, by anybody',
    'looking <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello, in a pause; passer reigns, and is asked; ' +
      'passer looks; all look; rival reigns; standby died',
    'looking (mirror) <- met our cache; met our cache, later; met our cache, earlier; ' +
      'met another cache',
    'copying <- welcomed',
    'ended fail <- turned away, of another kind; cannot have a copy',
    'looking follow attachLater <- outranked',
    'looking hangUp follow attach <- passer reigns',
    'looking attach <- paused',
    'ended <- stopped',
  ],
  copying: [
    'looking lookElsewhere attachLater <- lost; silence, a copy; dropped; turned away, busy; ' +
      'turned away, may be elsewhere; turned away, by anybody',
    'copying <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello; silence, a hello, in a pause; ' +
      'passer reigns; passer reigns, and is asked; passer looks; all look; rival reigns; ' +
      'standby died',
    'standby reportSynced wasWhole=true <- synced',
    'ended fail <- turned away, of another kind; cannot have a copy',
    'looking follow attach <- outranked',
    'ended <- stopped',
  ],
  standby: [
    'reconnecting attach <- lost',
    'standby <- silence, short; silence, a heartbeat; silence, dead-after, asleep; ' +
      'passer reigns; passer reigns, and is asked; passer looks; all look; rival reigns; ' +
      'standby died',
    'fencing revoke <- silence, dead-after; silence, a hello; silence, a hello, in a pause; ' +
      'silence, a copy',
    'looking sayDoubtful lookElsewhere attachLater <- silence, dead-after, lease over; ' +
      'silence, a hello, lease over; silence, a hello, in a pause, lease over; ' +
      'silence, a copy, lease over',
    'looking attach <- dropped',
    'looking lookElsewhere attachLater <- turned away, busy; turned away, may be elsewhere; ' +
      'turned away, by anybody',
    'ended fail <- turned away, of another kind; cannot have a copy',
    'looking follow attach <- outranked',
    'ended <- stopped',
  ],
  reconnecting: [
    'fencing revoke isCertain=true <- refused here; turned away, busy; ' +
      'turned away, of another kind; turned away, may be elsewhere',
    'looking sayDoubtful lookElsewhere attachLater <- refused here, lease over; ' +
      'silence, dead-after, lease over; silence, a hello, lease over; ' +
      'silence, a hello, in a pause, lease over; silence, a copy, lease over',
    'reconnecting attachLater <- refused elsewhere; unreachable; turned away, by anybody; ' +
      'cannot have a copy',
    'reconnecting attach <- reset; lost; paused',
    'reconnecting <- silence, short; silence, a heartbeat; silence, dead-after, asleep; ' +
      'passer reigns; passer reigns, and is asked; passer looks; all look; rival reigns; ' +
      'standby died',
    'fencing revoke <- silence, dead-after; silence, a hello; silence, a hello, in a pause; ' +
      'silence, a copy',
    'reconnecting (mirror) <- met our cache; met our cache, later; ' +
      'met our cache, earlier, lease over; met another cache, lease over',
    'fencing hangUp revoke epochMet=1 isCertain=true (keep) <- met our cache, earlier',
    'fencing hangUp revoke epochMet=9 isCertain=true (keep) <- met another cache',
    'copying <- welcomed',
    'looking lookElsewhere attachLater <- turned away, busy, lease over; ' +
      'turned away, may be elsewhere, lease over; turned away, by anybody, lease over',
    'ended fail <- turned away, of another kind, lease over; cannot have a copy, lease over',
    'looking follow attach <- outranked',
    'ended <- stopped',
  ],
  fencing: [
    'fencing <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello; silence, a hello, in a pause; ' +
      'silence, a copy; passer reigns; passer reigns, and is asked; passer looks; all look; ' +
      'standby died',
    'looking follow attach <- outranked',
    'binding promote depose reportDead <- revoked',
    'looking sayLate lookElsewhere attachLater <- revoked, lease over; old lives',
    'binding promote depose reportDead isCertain=true <- old ended',
    'looking lookElsewhere attachLater <- rival reigns',
    'ended <- stopped',
  ],
  binding: [
    'looking retire leadOn follow attach wasWhole=true <- outranked',
    'binding announce <- told',
    'waiting awaitOld <- told, lease over; announced, lease over; bound, lease over',
    'binding bind <- announced; paused',
    'binding <- answered; old yields',
    'primary serve reportServing <- bound',
    'binding bindLater <- bind failed',
    'asking ask <- paused, lease over',
    'binding (letIn) <- standby came; standby came, the lost one',
    'binding (busy) <- standby came, and there is one',
    'binding mirror=mirrored <- counted',
    'binding (forget) <- copying standby lost; copying standby dropped',
    'binding forgetStandby <- standby died',
    'ended <- stopped',
    'binding (ours) <- claimed by another; met a lesser reign',
    'binding (theirs) <- met a greater reign',
    'binding (apart) <- met a reign of another cache',
  ],
  asking: [
    'looking retire leadOn follow attach wasWhole=true <- outranked',
    'asking bind <- answered',
    'primary serve reportServing <- bound',
    'binding bindLater <- bind failed',
    'asking (letIn) <- standby came; standby came, the lost one',
    'asking (busy) <- standby came, and there is one',
    'asking mirror=mirrored <- counted',
    'binding bind isCertain=true <- old yields',
    'asking (forget) <- copying standby lost; copying standby dropped',
    'asking forgetStandby <- standby died',
    'ended <- stopped',
    'asking (ours) <- claimed by another; met a lesser reign',
    'asking (theirs) <- met a greater reign',
    'asking (apart) <- met a reign of another cache',
  ],
  waiting: [
    'looking retire leadOn follow attach wasWhole=true <- outranked',
    'waiting <- answered',
    'looking sayLate retire leadOn attachLater wasWhole=true <- paused',
    'waiting (letIn) <- standby came; standby came, the lost one',
    'waiting (busy) <- standby came, and there is one',
    'waiting mirror=mirrored <- counted',
    'binding announce isCertain=true <- old yields',
    'waiting (forget) <- copying standby lost; copying standby dropped',
    'waiting forgetStandby <- standby died',
    'ended <- stopped',
    'waiting (ours) <- claimed by another; met a lesser reign',
    'waiting (theirs) <- met a greater reign',
    'waiting (apart) <- met a reign of another cache',
  ],
  primary: [
    'looking retire leadOn follow attach wasWhole=true <- outranked',
    'primary <- answered; old yields',
    'primary (letIn) <- standby came; standby came, the lost one',
    'primary (busy) <- standby came, and there is one',
    'primary mirror=mirrored <- counted',
    'primary (forget) <- copying standby lost; copying standby dropped',
    'primary forgetStandby <- standby died',
    'ended <- stopped',
    'primary (ours) <- claimed by another; met a lesser reign',
    'primary (theirs) <- met a greater reign',
    'primary (apart) <- met a reign of another cache',
  ],
  ended: ['ended <- rival reigns; standby died; stopped'],
  'starting, supervised': [
    'looking retire closeLinkPort follow attach wasWhole=true <- outranked',
    'starting <- passer reigns; passer reigns, and is asked; passer looks; all look; ' +
      'answered; old yields',
    'binding bind isCertain=true <- opened, attachable; opened, by itself; paused',
    'looking lookElsewhere attachLater <- open failed',
    'starting (letIn) <- standby came; standby came, the lost one',
    'starting (busy) <- standby came, and there is one',
    'starting mirror=mirrored <- counted',
    'starting (forget) <- copying standby lost; copying standby dropped',
    'starting forgetStandby <- standby died',
    'ended <- stopped',
    'starting (ours) <- claimed by another; met a lesser reign',
    'starting (theirs) <- met a greater reign',
    'starting (apart) <- met a reign of another cache',
  ],
  'looking, a founder': [
    'looking lookElsewhere attachLater <- refused here; refused elsewhere; reset; ' +
      'unreachable; lost; silence, a hello; silence, a copy; turned away, busy; ' +
      'turned away, may be elsewhere; turned away, by anybody',
    'looking <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello, in a pause; passer reigns, and is asked; ' +
      'passer looks; rival reigns; standby died',
    'looking (mirror) <- met our cache; met our cache, later; met our cache, earlier; ' +
      'met another cache',
    'copying <- welcomed',
    'ended fail <- turned away, of another kind; cannot have a copy',
    'looking follow attachLater <- outranked',
    'looking hangUp follow attach <- passer reigns',
    'starting beginAnew <- all look',
    'looking attach <- paused',
    'ended <- stopped',
  ],
  'looking, whole once': [
    'looking lookElsewhere attachLater <- refused here; refused elsewhere; reset; ' +
      'unreachable; lost; silence, a hello; silence, a copy; turned away, busy; ' +
      'turned away, of another kind; turned away, may be elsewhere; turned away, by anybody; ' +
      'cannot have a copy',
    'looking <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello, in a pause; passer reigns, and is asked; ' +
      'passer looks; all look; rival reigns; standby died',
    'looking (mirror) <- met our cache; met our cache, later; met our cache, earlier; ' +
      'met another cache',
    'copying <- welcomed',
    'looking follow attachLater <- outranked',
    'looking hangUp follow attach <- passer reigns',
    'looking attach <- paused',
    'ended <- stopped',
  ],
  'fencing, supervised': [
    'fencing <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello; silence, a hello, in a pause; ' +
      'silence, a copy; passer reigns; passer reigns, and is asked; passer looks; all look; ' +
      'standby died',
    'looking follow attach <- outranked',
    'fencing hangUp endOld <- revoked',
    'looking sayLate lookElsewhere attachLater <- revoked, lease over; old lives',
    'binding promote depose reportDead isCertain=true <- old ended',
    'looking lookElsewhere attachLater <- rival reigns',
    'ended <- stopped',
  ],
  'fencing, certain': [
    'fencing <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello; silence, a hello, in a pause; ' +
      'silence, a copy; passer reigns; passer reigns, and is asked; passer looks; all look; ' +
      'standby died',
    'looking follow attach <- outranked',
    'binding promote depose reportDead <- revoked; old ended',
    'looking sayLate lookElsewhere attachLater <- old lives',
    'looking lookElsewhere attachLater <- rival reigns',
    'ended <- stopped',
  ],
  'fencing, one of several': [
    'fencing <- silence, short; silence, a heartbeat; silence, dead-after; ' +
      'silence, dead-after, asleep; silence, a hello; silence, a hello, in a pause; ' +
      'silence, a copy; passer reigns; passer reigns, and is asked; passer looks; all look; ' +
      'standby died',
    'looking follow attach <- outranked',
    'fencing hangUp endOld <- revoked',
    'binding promote depose reportDead <- old ended',
    'looking sayLate lookElsewhere attachLater <- old lives',
    'looking lookElsewhere attachLater <- rival reigns',
    'ended <- stopped',
  ],
  'binding, certain': [
    'looking retire leadOn follow attach wasWhole=true <- outranked',
    'binding announce <- told',
    'binding bind <- announced; paused',
    'binding <- answered; old yields',
    'primary serve reportServing <- bound',
    'binding bindLater <- bind failed',
    'binding (letIn) <- standby came; standby came, the lost one',
    'binding (busy) <- standby came, and there is one',
    'binding mirror=mirrored <- counted',
    'binding (forget) <- copying standby lost; copying standby dropped',
    'binding forgetStandby <- standby died',
    'ended <- stopped',
    'binding (ours) <- claimed by another; met a lesser reign',
    'binding (theirs) <- met a greater reign',
    'binding (apart) <- met a reign of another cache',
  ],
  'binding, mirrored': [
    'looking retire leadOn follow attach mirror=alone wasWhole=true <- outranked',
    'binding announce <- told',
    'waiting awaitOld <- told, lease over; announced, lease over; bound, lease over',
    'binding bind <- announced; paused',
    'binding <- answered; counted; old yields',
    'primary serve reportServing <- bound',
    'binding bindLater <- bind failed',
    'asking ask <- paused, lease over',
    'binding (letIn) <- standby came; standby came, the lost one',
    'binding (busy) <- standby came, and there is one',
    'binding mirror=held (hold) <- standby lost; standby broken',
    'binding mirror=held (release) <- standby lost, --ack async; standby dropped',
    'binding mirror=alone (forget) <- standby dead',
    'binding (forget) <- copying standby lost; copying standby dropped; ' +
      'member dead, another one is mirrored',
    'binding mirror=held (forget) <- member dead, another one is held',
    'binding forgetStandby <- standby died',
    'ended mirror=alone <- stopped',
    'binding (theirs) <- claimed by a member; met a greater reign',
    'binding (ours) <- claimed by a member, not newer; claimed by another; met a lesser reign',
    'binding (apart) <- met a reign of another cache',
  ],
  'primary, supervised': [
    'looking retire closeLinkPort follow attach wasWhole=true <- outranked',
    'primary <- answered; old yields',
    'primary (letIn) <- standby came; standby came, the lost one',
    'primary (busy) <- standby came, and there is one',
    'primary mirror=mirrored <- counted',
    'primary (forget) <- copying standby lost; copying standby dropped',
    'primary forgetStandby <- standby died',
    'ended <- stopped',
    'primary (ours) <- claimed by another; met a lesser reign',
    'primary (theirs) <- met a greater reign',
    'primary (apart) <- met a reign of another cache',
  ],
  'primary, mirrored': [
    'looking retire leadOn follow attach mirror=alone wasWhole=true <- outranked',
    'primary <- answered; counted; old yields',
    'primary (letIn) <- standby came; standby came, the lost one',
    'primary (busy) <- standby came, and there is one',
    'primary mirror=held (hold) <- standby lost; standby broken',
    'primary mirror=held (release) <- standby lost, --ack async; standby dropped',
    'primary mirror=alone (forget) <- standby dead',
    'primary (forget) <- copying standby lost; copying standby dropped; ' +
      'member dead, another one is mirrored',
    'primary mirror=held (forget) <- member dead, another one is held',
    'primary forgetStandby <- standby died',
    'ended mirror=alone <- stopped',
    'primary (theirs) <- claimed by a member; met a greater reign',
    'primary (ours) <- claimed by a member, not newer; claimed by another; met a lesser reign',
    'primary (apart) <- met a reign of another cache',
  ],
  'primary, held': [
    'looking retire leadOn follow attach mirror=alone wasWhole=true <- outranked',
    'primary <- answered; counted; old yields; hold over, another one is held',
    'primary (wait) <- standby came; standby came, and there is one',
    'primary (letIn) <- standby came, the lost one',
    'primary (hold) <- standby lost; standby broken',
    'primary (release) <- standby lost, --ack async; standby dropped',
    'primary mirror=alone (forget) <- standby dead',
    'primary (forget) <- copying standby lost; copying standby dropped; ' +
      'member dead, another one is held',
    'primary mirror=alone <- hold over',
    'primary mirror=mirrored <- hold over, another one is mirrored',
    'primary mirror=mirrored (forget) <- member dead, another one is mirrored',
    'primary forgetStandby <- standby died',
    'ended mirror=alone <- stopped',
    'primary (theirs) <- claimed by a member; met a greater reign',
    'primary (ours) <- claimed by a member, not newer; claimed by another; met a lesser reign',
    'primary (apart) <- met a reign of another cache',
  ],
};
