-- Asks once for every image, and measures the time itself: wrk waits to the end of its own in any case.
--
-- The arguments are the numbers of images, of images in a repository, of threads, and of connections for each thread.

local ffi = require("ffi")
ffi.cdef [[
    struct moment { long seconds, nanoseconds; };
    int clock_gettime(int clock, struct moment *moment);
]]
local CLOCK_MONOTONIC = 1
local moment = ffi.new("struct moment")

local function now()
    ffi.C.clock_gettime(CLOCK_MONOTONIC, moment)
    return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local threads = {}

function setup(thread)
    thread:set("first", #threads)
    table.insert(threads, thread)
end

function init(arguments)
    local images, repository, step
    images, repository, step, connections = unpack(arguments)
    connections = tonumber(connections)
    requests = {}
    -- Put together beforehand: the server is measured, and not this.
    for number = first, tonumber(images) - 1, tonumber(step) do
        local path = string.format(
            "%scold/%d/manifests/%d", wrk.path, math.floor(number / repository), number % repository
        )
        table.insert(requests, wrk.format(nil, path))
    end
    asked = 0
end

-- Called for each request, when its connection is free. When every connection has been used once, those that follow
-- are each called for by an answer.
function request()
    asked = asked + 1
    last = now()
    if asked == connections then
        start = last
    end
    if asked >= #requests then
        wrk.thread:stop()
    end
    return requests[asked]
end

function done(summary, latency)
    local rate = 0
    for _, thread in ipairs(threads) do
        local answered = thread:get("asked") - thread:get("connections")
        rate = rate + answered / (thread:get("last") - thread:get("start"))
    end
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    print("result", rate, failed, summary.requests, latency:percentile(50), latency:percentile(99))
end
