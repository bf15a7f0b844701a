"""What Redis runs for limits: Lua texts, each one atomic step; time is Redis' own, so that every host has the same.

Kept under one hash tag, so that a cluster has all of it in one place:
    workers       a hash: worker → until when it counts as alive
    call:<id>     the fields that a call's reservation went to, until it is settled; empty: it must not be made any more
    <hash>        what one subject has used of one limit, a hash: slot of time → amount; of places: worker → how many
"""

RESERVE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local me = ARGV[1]

local function lives(worker)
  local lease = redis.call('HGET', KEYS[2], worker)
  return lease and tonumber(lease) > now
end

if not lives(me) then return {'lapsed'} end
if redis.call('EXISTS', KEYS[1]) == 1 then return {'known'} end

local reply, fields, worst, wait = {'', 0, ''}, {me}, 0, 0
for i = 3, #KEYS do
  local key, at = KEYS[i], 3 + (i - 3) * 7
  local kind, want, limit = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local a, b, c = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local all, used, newest, counted = redis.call('HGETALL', key), 0, 0, {}
  local slot, oldest = 0, 0
  if kind == 's' then
    slot = math.floor(now / a)
    oldest = slot - b
  elseif kind == 'c' then
    slot = now < b and a or (now < c and b or c)
    oldest = slot
  end
  for j = 1, #all, 2 do
    local amount = tonumber(all[j + 1])
    if kind == 'h' then
      if amount > 0 and lives(all[j]) then used = used + amount else redis.call('HDEL', key, all[j]) end
    else
      local number = tonumber(all[j])
      if number < oldest then
        redis.call('HDEL', key, all[j])
      else
        used = used + amount
        newest = math.max(newest, number)
        counted[#counted + 1] = {number, amount}
      end
    end
  end
  local function leaves(number)
    if kind == 's' then return (number + b + 1) * a end
    return number == a and b or (number == b and c or 2 * c - b)
  end
  local over = used + want - limit
  if over > 0 then
    local pause = 0
    if want > limit then
      pause = 0
    elseif kind == 'h' then
      pause = 1
    else
      table.sort(counted, function(x, y) return x[1] < y[1] end)
      local freed = 0
      for _, one in ipairs(counted) do
        freed = freed + one[2]
        pause = math.max(0.001, leaves(one[1]) - now)
        if freed >= over then break end
      end
    end
    if worst == 0 or pause == 0 or (wait > 0 and pause > wait) then worst, wait = i - 2, pause end
  end
  fields[#fields + 1] = kind == 'h' and me or string.format('%d', slot)
  reply[#reply + 1] = string.format('%.0f', used)
  reply[#reply + 1] = string.format('%.3f', math.max(0, leaves(worst == 0 and slot or newest) - now))
end
reply[2] = worst
reply[3] = string.format('%.3f', wait)
if worst > 0 then
  reply[1] = 'over'
  return reply
end
for i = 3, #KEYS do
  local at = 3 + (i - 3) * 7
  redis.call('HINCRBY', KEYS[i], fields[i - 1], ARGV[at + 1])
  redis.call('PEXPIRE', KEYS[i], ARGV[at + 6])
end
redis.call('SET', KEYS[1], table.concat(fields, ' '), 'PX', ARGV[2])
reply[1] = 'ok'
return reply
"""
"""Keys: the call, the workers, one per limit. Arguments: this worker, milliseconds that the call is remembered, and for
each limit: kind, amount, limit, three numbers of its window, milliseconds that the key is kept.

Kinds: s slides (width and number of slots), c is the calendar's (begins before, now, next), h is held.
Gives: ok | over | lapsed | known, the number of the limit in the way, seconds to wait, and of each limit what is used
and when all of it is free.
"""

SETTLE = """
local record = redis.call('GET', KEYS[1])
if not record then
  if ARGV[1] ~= '' then redis.call('SET', KEYS[1], '', 'PX', ARGV[1]) end
  return 0
end
if record == '' then return 0 end
redis.call('DEL', KEYS[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local fields = {}
for field in string.gmatch(record, '[^ ]+') do fields[#fields + 1] = field end
for i = 2, #KEYS do
  local at = 2 + (i - 2) * 4
  local kind, more, field = ARGV[at], ARGV[at + 1], fields[i]
  if more ~= '0' then
    local known = redis.call('HEXISTS', KEYS[i], field) == 1
    if kind == 's' and tonumber(more) > 0 then
      local slot = math.floor(now / tonumber(ARGV[at + 2]))
      if tonumber(field) < slot - tonumber(ARGV[at + 3]) then
        known, field = true, string.format('%d', slot)
      end
    end
    if known then
      local left = redis.call('HINCRBY', KEYS[i], field, more)
      if kind == 'h' and left <= 0 then redis.call('HDEL', KEYS[i], field) end
    end
  end
end
return 1
"""
"""Keys: the call, one per limit. Arguments: milliseconds for which a call that is not known must not be made any more
(empty: it may), and for each limit: kind, what is used beyond the reservation, width and number of slots."""

BEAT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local me, place = ARGV[1], ARGV[2]
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local before = place ~= '' and all[i] ~= me and string.sub(all[i], 1, #place) == place
  if before or tonumber(all[i + 1]) < now - 60 then redis.call('HDEL', KEYS[1], all[i]) end
end
local lease = redis.call('HGET', KEYS[1], me)
if lease and tonumber(lease) < now then return 0 end
redis.call('HSET', KEYS[1], me, string.format('%.3f', now + tonumber(ARGV[3])))
redis.call('PEXPIRE', KEYS[1], 86400000)
return redis.call('PEXPIRE', KEYS[2], 86400000) == 1 and 1 or 2
"""
FORGETFUL = 2
"""Keys: the workers, what is known of budgets. Arguments: this worker, its place (of those that had the place before
it nothing counts any more), seconds of the lease. Gives 0 when the lease had lapsed, so that others may have what this
worker held, and FORGETFUL when nothing is known of budgets."""

LEAVE = """
return redis.call('HDEL', KEYS[1], ARGV[1])
"""
"""Keys: the workers. Arguments: this worker."""

RESTORE = """
redis.call('HSETNX', KEYS[1], 'by', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if redis.call('HGET', KEYS[1], 'by') ~= ARGV[1] then return 0 end
if redis.call('HSETNX', KEYS[1], ARGV[2], 1) == 0 then return 0 end
for i = 2, #KEYS do
  local at = 4 + (i - 2) * 3
  redis.call('HINCRBY', KEYS[i], ARGV[at], ARGV[at + 1])
  redis.call('PEXPIRE', KEYS[i], ARGV[at + 2])
end
return 1
"""
"""Keys: what is known of budgets, one per balance. Arguments: who restores (only one does), number of the piece,
milliseconds that this is known, and for each balance: slot, amount, milliseconds that the key is kept."""

ALL = {"reserve": RESERVE, "settle": SETTLE, "beat": BEAT, "leave": LEAVE, "restore": RESTORE}
