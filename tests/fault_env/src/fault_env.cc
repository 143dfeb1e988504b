// RocksDB's own fault-injecting file system behind a C interface, and above it a layer that counts what changes files and
// strikes at one of these changes. The file system below cannot: it asks for faults by thread, and RocksDB flushes on
// threads of its own; and it has no error for a sync.

#include <atomic>
#include <memory>
#include <string>

#include "env/composite_env_wrapper.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/system_clock.h"
#include "util/random.h"
#include "utilities/fault_injection_fs.h"

using namespace ROCKSDB_NAMESPACE;

// As in RocksDB's C interface, which frees it.
struct rocksdb_env_t {
  Env* rep;
  bool is_default;
};

namespace {

constexpr uint64_t kNever = UINT64_MAX;

class Changes {
 public:
  explicit Changes(std::shared_ptr<FaultInjectionTestFS> files)
      : files_(std::move(files)) {}

  // To be asked before each change.
  IOStatus Next() {
    const uint64_t number = count_.fetch_add(1) + 1;
    if (number != struck_.load()) {
      return IOStatus::OK();
    }
    hit_.store(true);
    const IOStatus error = IOStatus::IOError("struck at change " + std::to_string(number));
    if (!once_.load()) {
      files_->SetFilesystemActive(false, error);
    }
    return error;
  }

  void Strike(uint64_t after, bool once) {
    hit_.store(false);
    once_.store(once);
    struck_.store(count_.load() + after + 1);
  }

  void Spare() { struck_.store(kNever); }

  uint64_t count() const { return count_.load(); }
  bool hit() const { return hit_.load(); }

 private:
  std::shared_ptr<FaultInjectionTestFS> files_;
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> struck_{kNever};
  std::atomic<bool> once_{false};
  std::atomic<bool> hit_{false};
};

class CountedFile : public FSWritableFileOwnerWrapper {
 public:
  CountedFile(std::unique_ptr<FSWritableFile>&& file, Changes* changes)
      : FSWritableFileOwnerWrapper(std::move(file)), changes_(changes) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus struck = changes_->Next();
    return struck.ok() ? target()->Append(data, options, dbg) : struck;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo& info,
                  IODebugContext* dbg) override {
    IOStatus struck = changes_->Next();
    return struck.ok() ? target()->Append(data, options, info, dbg) : struck;
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus struck = changes_->Next();
    return struck.ok() ? target()->Truncate(size, options, dbg) : struck;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    IOStatus struck = changes_->Next();
    return struck.ok() ? target()->Sync(options, dbg) : struck;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    IOStatus struck = changes_->Next();
    return struck.ok() ? target()->Fsync(options, dbg) : struck;
  }

 private:
  Changes* changes_;
};

class CountedDirectory : public FSDirectoryWrapper {
 public:
  CountedDirectory(std::unique_ptr<FSDirectory>&& directory, Changes* changes)
      : FSDirectoryWrapper(std::move(directory)), changes_(changes) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    IOStatus struck = changes_->Next();
    return struck.ok() ? FSDirectoryWrapper::Fsync(options, dbg) : struck;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* dbg,
                               const DirFsyncOptions& how) override {
    IOStatus struck = changes_->Next();
    return struck.ok() ? FSDirectoryWrapper::FsyncWithDirOptions(options, dbg, how) : struck;
  }

 private:
  Changes* changes_;
};

// RocksDB's own log of warnings is no part of the store: it is neither counted nor struck.
bool IsInfoLog(const std::string& name) {
  const size_t start = name.find_last_of('/') + 1;
  return name.compare(start, 3, "LOG") == 0;
}

class CountedFileSystem : public FileSystemWrapper {
 public:
  CountedFileSystem(std::shared_ptr<FaultInjectionTestFS> files, std::shared_ptr<Changes> changes)
      : FileSystemWrapper(std::move(files)), changes_(std::move(changes)) {}

  static const char* kClassName() { return "CountedFileSystem"; }
  const char* Name() const override { return kClassName(); }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) override {
    if (IsInfoLog(name)) {
      return target()->NewWritableFile(name, options, result, dbg);
    }
    IOStatus done = changes_->Next();
    if (done.ok()) {
      done = target()->NewWritableFile(name, options, result, dbg);
    }
    if (done.ok()) {
      result->reset(new CountedFile(std::move(*result), changes_.get()));
    }
    return done;
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<FSDirectory>* result, IODebugContext* dbg) override {
    IOStatus done = target()->NewDirectory(name, options, result, dbg);
    if (done.ok()) {
      result->reset(new CountedDirectory(std::move(*result), changes_.get()));
    }
    return done;
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* dbg) override {
    IOStatus struck = IsInfoLog(from) ? IOStatus::OK() : changes_->Next();
    return struck.ok() ? target()->RenameFile(from, to, options, dbg) : struck;
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* dbg) override {
    IOStatus struck = IsInfoLog(name) ? IOStatus::OK() : changes_->Next();
    return struck.ok() ? target()->DeleteFile(name, options, dbg) : struck;
  }

 private:
  std::shared_ptr<Changes> changes_;
};

// RocksDB sleeps for a second after a flush that failed, in case the disk gets well: a thousandth of it is enough here.
class HastyClock : public SystemClockWrapper {
 public:
  HastyClock() : SystemClockWrapper(SystemClock::Default()) {}

  static const char* kClassName() { return "HastyClock"; }
  const char* Name() const override { return kClassName(); }

  void SleepForMicroseconds(int micros) override { target_->SleepForMicroseconds(micros / 1000); }
};

}  // namespace

struct handfast_fault_env_t {
  std::shared_ptr<FaultInjectionTestFS> files;
  std::shared_ptr<Changes> changes;
};

extern "C" {

handfast_fault_env_t* handfast_fault_env_new(bool loses_unsynced) {
  auto files = std::make_shared<FaultInjectionTestFS>(FileSystem::Default());
  files->SetInjectUnsyncedDataLoss(loses_unsynced);
  auto changes = std::make_shared<Changes>(files);
  return new handfast_fault_env_t{files, changes};
}

void handfast_fault_env_destroy(handfast_fault_env_t* faults) { delete faults; }

// To be freed by rocksdb_env_destroy; it may outlive what it was made of.
rocksdb_env_t* handfast_fault_env_env(const handfast_fault_env_t* faults) {
  auto counted = std::make_shared<CountedFileSystem>(faults->files, faults->changes);
  return new rocksdb_env_t{new CompositeEnvWrapper(Env::Default(), counted, std::make_shared<HastyClock>()), false};
}

uint64_t handfast_fault_env_changes(const handfast_fault_env_t* faults) { return faults->changes->count(); }

// The change after so many others fails; the later ones too, unless it is to happen once.
void handfast_fault_env_strike(handfast_fault_env_t* faults, uint64_t after, bool once) {
  faults->changes->Strike(after, once);
}

bool handfast_fault_env_struck(const handfast_fault_env_t* faults) { return faults->changes->hit(); }

void handfast_fault_env_cut(handfast_fault_env_t* faults) {
  faults->files->SetFilesystemActive(false, IOStatus::IOError("the power is off"));
}

void handfast_fault_env_restore(handfast_fault_env_t* faults) {
  faults->changes->Spare();
  faults->files->SetFilesystemActive(true);
}

// These three answer whether the file system could do it.
bool handfast_fault_env_drop_unsynced(handfast_fault_env_t* faults) {
  return faults->files->DropUnsyncedFileData().ok();
}

bool handfast_fault_env_drop_some_unsynced(handfast_fault_env_t* faults, uint32_t seed) {
  if (!faults->files->InjectUnsyncedDataLoss()) {
    // Nothing is kept back, and RocksDB would divide by the length of it.
    return true;
  }
  Random random(seed);
  return faults->files->DropRandomUnsyncedFileData(&random).ok();
}

bool handfast_fault_env_drop_unsynced_names(handfast_fault_env_t* faults) {
  return faults->files->DeleteFilesCreatedAfterLastDirSync(IOOptions(), nullptr).ok();
}

void handfast_fault_env_forget(handfast_fault_env_t* faults) { faults->files->ResetState(); }

}  // extern "C"
