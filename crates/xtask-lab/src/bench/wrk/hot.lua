-- Asks for the same again and again: wrk's own request.

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    local rate = summary.requests / summary.duration * 1e6
    print("result", rate, failed, summary.requests, latency:percentile(50), latency:percentile(99))
end
