-- Every statement the outbox runs, by name. Values are bound by name.

-- name: last_epoch
-- The newest epoch and the last numbers it gave out.
SELECT epoch, events, samples FROM epoch ORDER BY epoch DESC LIMIT 1;

-- name: previous_epoch
-- The epoch before a given one.
SELECT epoch, events, samples FROM epoch WHERE epoch < :epoch ORDER BY epoch DESC LIMIT 1;

-- name: start_epoch
INSERT INTO epoch (epoch, started_at) VALUES (:epoch, :at);

-- name: forget_epochs
-- Epochs older than the predecessor of the oldest that has something to send; run once, at the start.
DELETE FROM epoch WHERE epoch < (
    SELECT max(epoch) FROM epoch
    WHERE epoch < coalesce((SELECT min(epoch) FROM outbox), (SELECT max(epoch) FROM epoch))
);

-- name: count_up
-- The last numbers given out, together with the rows that got them.
UPDATE epoch SET events = :events, samples = :samples WHERE epoch = :epoch;

-- name: add
INSERT INTO outbox (lane, epoch, seq, at, samples, body) VALUES (:lane, :epoch, :seq, :at, :samples, :body);

-- name: oldest
-- The next number to send in a lane.
SELECT epoch, seq FROM outbox WHERE lane = :lane ORDER BY epoch, seq LIMIT 1;

-- name: batch
-- Consecutive records of one lane and epoch.
SELECT seq, body FROM outbox WHERE lane = :lane AND epoch = :epoch AND seq >= :seq ORDER BY seq LIMIT :most;

-- name: acknowledge
-- The cloud has committed everything up to and including a number.
DELETE FROM outbox WHERE lane = :lane AND epoch = :epoch AND seq <= :through;

-- name: count
-- How many records wait in a lane; asked once, at the start.
SELECT count(*) FROM outbox WHERE lane = :lane;

-- name: oldest_at
-- Since when the oldest record of a lane waits.
SELECT at FROM outbox WHERE lane = :lane ORDER BY epoch, seq LIMIT 1;

-- name: put_state
INSERT INTO state (key, body) VALUES (:key, :body) ON CONFLICT (key) DO UPDATE SET body = excluded.body;

-- name: all_state
SELECT key, body FROM state;

-- name: answered
SELECT id FROM directive;

-- name: answer
INSERT OR IGNORE INTO directive (id, at) VALUES (:id, :at);

-- name: forget_answers
DELETE FROM directive WHERE at < :before;

-- name: oldest_samples
-- The oldest sample rows of a stage, for thinning.
SELECT epoch, seq, at, samples, body FROM outbox
WHERE lane = 'samples' AND stage = :stage AND at < :before ORDER BY epoch, seq LIMIT :most;

-- name: rewrite
UPDATE outbox SET body = :body, samples = :samples, stage = :stage WHERE lane = :lane AND epoch = :epoch AND seq = :seq;

-- name: one
SELECT body FROM outbox WHERE lane = :lane AND epoch = :epoch AND seq = :seq;

-- name: quarantine
INSERT OR REPLACE INTO quarantine (lane, epoch, seq, at, reason, body) VALUES (:lane, :epoch, :seq, :at, :reason, :body);

-- name: lane_rows
-- Every waiting number of a lane, in order, for moving them into a new epoch.
SELECT epoch, seq FROM outbox WHERE lane = :lane ORDER BY epoch, seq;

-- name: move
UPDATE outbox SET epoch = :new_epoch, seq = :new_seq WHERE lane = :lane AND epoch = :epoch AND seq = :seq;
