-- What wrk runs for every response: counts them by release, the response's body, and says on standard output, in lines
-- of JSON behind an "@", when something is seen for the first time.
--
-- wrk itself does not notice a request that is never answered, nor a connect that never ends: it has no timers. So at
-- the end, when the stop file appears, each connection is parked before its next request: those that are still not
-- parked some time later wait for something that does not come.
--
-- usage: wrk -s wrk.lua URL -- STOP_FILE CONNECTIONS_OF_EACH_THREAD
local ffi = require("ffi")
ffi.cdef [[
struct e2e_timespec { long tv_sec; long tv_nsec; };
int clock_gettime(int clock, struct e2e_timespec *time);
int access(const char *path, int mode);
]]

local CLOCK_MONOTONIC, F_OK = 1, 0
local STOP_CHECK_NS = 5e6

local time = ffi.new("struct e2e_timespec")
local function now()
    ffi.C.clock_gettime(CLOCK_MONOTONIC, time)
    return tonumber(time.tv_sec) * 1e9 + tonumber(time.tv_nsec)
end

local function quote(text)
    return '"' .. text:gsub('[%c"\\\127-\255]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

-- One string for each line: the threads share the stream, which is locked for one fwrite(3) at a time.
local function say(format, ...)
    io.write("@" .. format:format(...) .. "\n")
    io.flush()
end

-- In the main state, for each thread.
local threads = {}
function setup(thread)
    table.insert(threads, thread)
end

-- In each thread's own state; globals are what done() can read from outside.
by_release, first_seen, by_status = {}, {}, {}
parked = 0
local stop_file, connections
local parking, checked = false, 0

function init(args)
    stop_file, connections = args[1], tonumber(args[2])
end

-- Called before each request. Of an empty one wrk writes nothing, and waits for a response: the connection is parked.
local text
function request()
    if not parking then
        local at = now()
        if at - checked > STOP_CHECK_NS then
            checked = at
            parking = ffi.C.access(stop_file, F_OK) == 0
        end
        text = text or wrk.format()
        if not parking then return text end
    end
    parked = parked + 1
    if parked == connections then say('{"event":"parked"}') end
    return ""
end

function response(status, _, body)
    if status ~= 200 then
        local count = by_status[status] or 0
        by_status[status] = count + 1
        if count == 0 then say('{"event":"status"}') end
        return
    end
    local count = by_release[body]
    if count then
        by_release[body] = count + 1
    else
        by_release[body], first_seen[body] = 1, now()
        say('{"event":"release","release":%s}', quote(body))
    end
end

-- In the main state, when all threads have ended.
function done(summary, latency, _)
    for _, thread in ipairs(threads) do
        local first = thread:get("first_seen")
        for release, count in pairs(thread:get("by_release")) do
            say('{"event":"responses","release":%s,"count":%d,"first_ns":%.0f}', quote(release), count, first[release])
        end
        for status, count in pairs(thread:get("by_status")) do
            say('{"event":"statuses","status":%d,"count":%d}', status, count)
        end
        say('{"event":"thread","parked":%d}', thread:get("parked"))
    end
    local errors = summary.errors
    say('{"event":"summary","requests":%d,"duration_us":%.0f,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}',
        summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.timeout, errors.status)
    say('{"event":"latency","p50":%.0f,"p90":%.0f,"p99":%.0f,"p99_9":%.0f,"max":%.0f}', latency:percentile(50),
        latency:percentile(90), latency:percentile(99), latency:percentile(99.9), latency.max)
end
