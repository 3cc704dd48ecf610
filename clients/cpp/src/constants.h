/// Values that the build fills in.
#pragma once

namespace vcenter_gateway {

/// Begins the user agent of all calls.
extern const char kUserAgent[];

}  // namespace vcenter_gateway
