// What a shared library exports: these names and no other.
#ifndef TRUENORM_EXPORT_H_
#define TRUENORM_EXPORT_H_

/// Stands before what belongs to the interface; the library is compiled with hidden visibility.
/// impl/exported.txt is the list of what results.
#define TRUENORM_API __attribute__((visibility("default")))

#endif  // TRUENORM_EXPORT_H_
