# Installs claude-mpm-socketio on Windows, and takes it out again: -Help tells how. For PowerShell 5.1 and later.
# Nothing runs before the last line has been read, so a download that breaks off does nothing.
param(
  [string]$Version = '',
  [string]$BaseUrl = 'https://github.com/bobmatnyc/claude-mpm-socketio/releases',
  [string]$Prefix = '',
  [switch]$NoModifyPath,
  [switch]$Service,
  [switch]$Uninstall,
  [switch]$Purge,
  [switch]$Help
)

$Product = 'claude-mpm-socketio'
$Target = 'windows-x64'
$SumsFile = 'SHA256SUMS'

function Show-Help {
  Write-Host @"
Installs $Product, or a newer version in its place.

  irm $BaseUrl/latest/download/install.ps1 | iex
  & ([scriptblock]::Create((irm $BaseUrl/latest/download/install.ps1))) -Version 0.1.0

  -Version X       this version, also an older one; else the newest
  -BaseUrl PLACE   where releases lie: a URL or a folder
  -Prefix DIR      puts the program into DIR; else %LOCALAPPDATA%\Programs\$Product
  -NoModifyPath    leaves your Path alone
  -Service         also sets it up as a task, which runs from log-on
  -Uninstall       removes the program, its task and its hooks in Claude Code; data stays
  -Purge           with -Uninstall: data goes too
  -Help            this text

Exit codes: 0 done, 1 failed, 2 wrong usage.
"@
}

function Stop-Install([string]$What, [string]$Next, [int]$ExitCode = 1) {
  $failure = New-Object System.Exception "$What`n$Next"
  $failure.Data['ExitCode'] = $ExitCode
  throw $failure
}

# What it prints, and its exit code: 126 where it does not run.
function Invoke-Quietly([string]$Program, [string[]]$Arguments) {
  # Windows PowerShell takes a line on standard error for a failure of its own.
  $ErrorActionPreference = 'Continue'
  try {
    $output = (& $Program @Arguments 2>$null | Out-String).Trim()
    return @{ Output = $output; ExitCode = $LASTEXITCODE }
  } catch {
    return @{ Output = ''; ExitCode = 126 }
  }
}

# Its exit code; what it prints is shown.
function Invoke-Visibly([string]$Program, [string[]]$Arguments) {
  $ErrorActionPreference = 'Continue'
  try {
    & $Program @Arguments | Out-Host
    return $LASTEXITCODE
  } catch {
    return 126
  }
}

# Antivirus programs hold a new file for a moment, and Windows one whose program is just ending.
function Invoke-Patiently([scriptblock]$Action) {
  for ($try = 1; $true; $try++) {
    try {
      & $Action
      return
    } catch {
      if ($try -ge 10) { throw }
      Start-Sleep -Milliseconds 200
    }
  }
}

# Ends the run where something else has the program's place.
function Assert-Ours([string]$Program) {
  if (Test-Path -LiteralPath $Program -PathType Container) {
    Stop-Install "$Program is a directory" 'Move it away, or choose another place with -Prefix DIR'
  }
  if (-not (Test-Path -LiteralPath $Program)) { return }
  # Not by running it: who knows what it would do.
  $latin1 = [System.Text.Encoding]::GetEncoding(28591)
  if (-not [System.IO.File]::ReadAllText($Program, $latin1).Contains('CLAUDE_MPM_SOCKETIO_')) {
    Stop-Install "$Program is another program of that name" 'Move it away, or choose another place with -Prefix DIR'
  }
}

# Puts a file of the release in a place; $false where there is none. Any other failure ends the run.
function Copy-ReleaseFile([string]$From, [string]$To) {
  if ($From -notmatch '^https?://') {
    if (-not (Test-Path -LiteralPath $From)) { return $false }
    Copy-Item -LiteralPath $From -Destination $To
    return $true
  }
  try {
    Invoke-WebRequest -UseBasicParsing -Uri $From -OutFile $To | Out-Null
    return $true
  } catch {
    $status = [int]$_.Exception.Response.StatusCode
    if ($status -eq 404) { return $false }
    if ($status -ge 400) {
      Stop-Install "$From answers with status $status" 'Try again later; behind a proxy, look at its settings in Windows'
    }
    Stop-Install "Could not load ${From}: $($_.Exception.Message)" 'Is the address right, and this machine online? Behind a proxy, name it in the settings of Windows; PowerShell 7 heeds HTTPS_PROXY'
  }
}

# 1.0.0-rc.1 comes before 1.0.0: "~" sorts behind all that a version is made of.
function Get-SortKey([string]$Of) {
  $numbers, $candidate = $Of -split '-', 2
  $padded = $numbers -split '\.' | ForEach-Object { $_.PadLeft(9, '0') }
  return ($padded -join '.') + $(if ($candidate) { "-$candidate" } else { '~' })
}

function Test-Newer([string]$One, [string]$Other) {
  return [string]::CompareOrdinal((Get-SortKey $One), (Get-SortKey $Other)) -gt 0
}

# Version, archive and sum of the release that is wanted, and where they lie.
function Find-Release([string]$Base, [string]$Wanted, [string]$Temporary) {
  $sums = Join-Path $Temporary $SumsFile
  $where = "$Base/latest/download"
  if ($Wanted) { $where = "$Base/download/v$Wanted" }
  if (-not (Copy-ReleaseFile "$where/$SumsFile" $sums)) {
    $where = $Base
    if (-not (Copy-ReleaseFile "$where/$SumsFile" $sums)) {
      Stop-Install "There is no $("release $Wanted".Trim()) at $Base" "Is the address right? It has to hold latest/download/$SumsFile or $SumsFile"
    }
  }
  $found = $null
  foreach ($line in [System.IO.File]::ReadAllLines($sums)) {
    if ($line -notmatch "^([0-9a-f]{64}) [ *]($Product-([0-9A-Za-z.+-]+)-$Target\.zip)$") { continue }
    $release = @{ Sum = $Matches[1]; Archive = $Matches[2]; Version = $Matches[3]; Where = $where }
    if ($Wanted -and $release.Version -ne $Wanted) { continue }
    if ($found -and -not (Test-Newer $release.Version $found.Version)) { continue }
    $found = $release
  }
  if (-not $found) {
    Stop-Install "$where/$SumsFile has no $("$Product $Wanted".Trim()) for $Target" 'Choose another version with -Version X, or another place with -BaseUrl'
  }
  return $found
}

# The new program, tried, in the temporary folder.
function Expand-Release($Release, [string]$Temporary) {
  $archive = Join-Path $Temporary $Release.Archive
  if (-not (Copy-ReleaseFile "$($Release.Where)/$($Release.Archive)" $archive)) {
    Stop-Install "$($Release.Where)/$SumsFile lists $($Release.Archive), but it is not there" 'Try again later: the release may not be complete yet'
  }
  $sum = (Get-FileHash -LiteralPath $archive -Algorithm SHA256).Hash
  if ($sum -ne $Release.Sum) {
    Stop-Install "$($Release.Archive) is not what was released: its SHA-256 is $sum, not $($Release.Sum)" 'Try again; if it stays so, somebody has changed it on the way'
  }
  Expand-Archive -LiteralPath $archive -DestinationPath $Temporary -ErrorAction Stop
  $program = Join-Path (Join-Path $Temporary "$Product-$($Release.Version)-$Target") "$Product.exe"
  $tried = Invoke-Quietly $program @('--version')
  if ($tried.ExitCode -ne 0 -or $tried.Output -ne $Release.Version) {
    Stop-Install "The program for $Target does not run here (exit $($tried.ExitCode))" 'An antivirus program may hold it back; it needs Windows 10 or later'
  }
  return $program
}

# Windows holds a program that runs, but lets it be renamed.
function Move-IntoPlace([string]$New, [string]$Program) {
  $old = "$Program.old"
  if (-not (Test-Path -LiteralPath $Program)) {
    Invoke-Patiently { Move-Item -LiteralPath $New -Destination $Program }
    return
  }
  # One that still runs from an earlier time keeps its file.
  Remove-Item -LiteralPath $old -Force -ErrorAction SilentlyContinue
  if (Test-Path -LiteralPath $old) { $old = "$Program.$([guid]::NewGuid().ToString('N')).old" }
  Invoke-Patiently { Move-Item -LiteralPath $Program -Destination $old }
  try {
    Invoke-Patiently { Move-Item -LiteralPath $New -Destination $Program }
  } catch {
    Move-Item -LiteralPath $old -Destination $Program
    throw
  }
  Remove-Item -LiteralPath $old -Force -ErrorAction SilentlyContinue
}

# As it stands in the registry: %VARIABLES% in it stay what they are.
function Get-UserPath {
  $value = (Get-Item -LiteralPath 'HKCU:\Environment').GetValue('Path', '', 'DoNotExpandEnvironmentNames')
  return $value -split ';' | Where-Object { $_ }
}

function Set-UserPath([string[]]$Folders) {
  Set-ItemProperty -LiteralPath 'HKCU:\Environment' -Name Path -Value ($Folders -join ';') -Type ExpandString
  # The registry alone tells nobody; this does, and changes nothing.
  [Environment]::SetEnvironmentVariable("$Product-none", $null, 'User')
}

function Add-ToPath([string]$Folder) {
  if (@($env:Path -split ';' | ForEach-Object { $_.TrimEnd('\') }) -contains $Folder) { return }
  if ($NoModifyPath) {
    Write-Host "$Folder is not on your Path; to find the program by its name, add it there"
    return
  }
  $folders = @(Get-UserPath)
  if ($folders -notcontains $Folder) { Set-UserPath ($folders + $Folder) }
  $env:Path = "$env:Path;$Folder"
  Write-Host "New terminals find it: $Folder is on your Path now"
}

function Install-Product([string]$Folder, [string]$Program, [string]$Base) {
  $made = $null
  $parent = $Folder
  while ($parent -and -not (Test-Path -LiteralPath $parent)) {
    $made = $parent
    $parent = Split-Path -Parent $parent
  }
  # Beside the program: moving it into place takes no time then.
  $temporary = Join-Path $Folder ".$Product.$([guid]::NewGuid().ToString('N'))"
  try {
    try {
      New-Item -ItemType Directory -Force -Path $temporary | Out-Null
    } catch {
      Stop-Install "Cannot write to ${Folder}: $($_.Exception.Message)" 'Choose another place with -Prefix DIR'
    }
    $release = Find-Release $Base ($Version -replace '^v', '') $temporary
    Write-Host "Loading $($release.Archive)"
    $new = Expand-Release $release $temporary
    $before = $null
    $same = $false
    if (Test-Path -LiteralPath $Program) {
      $before = (Invoke-Quietly $Program @('--version')).Output
      if (-not $before) { $before = 'a version that does not run' }
      $same = (Get-FileHash -LiteralPath $new).Hash -eq (Get-FileHash -LiteralPath $Program).Hash
    }
    if (-not $same) { Move-IntoPlace $new $Program }
  } finally {
    if (Test-Path -LiteralPath $temporary) { Remove-Item -LiteralPath $temporary -Recurse -Force -ErrorAction SilentlyContinue }
    if ($made -and -not (Test-Path -LiteralPath $Program)) { Remove-Item -LiteralPath $made -Recurse -Force -ErrorAction SilentlyContinue }
  }

  if ($same) { Write-Host "$Program is already $($release.Version)" }
  elseif (-not $before) { Write-Host "Installed $Product $($release.Version): $Program" }
  elseif ($before -eq $release.Version) { Write-Host "Replaced $before by another build of it: $Program" }
  elseif ($before -match '^\d' -and (Test-Newer $before $release.Version)) { Write-Host "Downgraded from $before to $($release.Version): $Program" }
  else { Write-Host "Upgraded from $before to $($release.Version): $Program" }

  Add-ToPath $Folder
  $call = $Product
  $first = Get-Command $Product -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
  if (-not $first -or $first.Path -ne $Program) {
    $call = "& '$Program'"
    if ($first) { Write-Host "Another one comes first on your Path: $($first.Path)" }
  }
  if ($Service) {
    $exit = Invoke-Visibly $Program @('service', 'install')
    if ($exit -ne 0) {
      Stop-Install "The program is installed, but not its service (exit $exit; the reason stands above)" "Run it without one: $call start"
    }
  } elseif ($before -and -not $same -and (Invoke-Quietly $Program @('status')).ExitCode -eq 0) {
    Write-Host "A server still runs the version before; to change over: $call restart"
  }
  Write-Host @"

Next:
  $call start          # the server, in the background
  $call hooks install  # Claude Code tells it what it does
  $call open           # look at it in the browser
"@
}

function Uninstall-Product([string]$Folder, [string]$Program) {
  if (Test-Path -LiteralPath $Program) {
    Invoke-Quietly $Program @('stop', '--all') | Out-Null
    $arguments = @('uninstall')
    if ($Purge) { $arguments += '--purge' }
    $exit = Invoke-Visibly $Program $arguments
    # Usage, and what Windows makes of a program that does not run or is ended.
    if ($exit -eq 2 -or $exit -ge 126 -or $exit -lt 0) {
      Write-Host "The program itself could not uninstall (exit $exit): a task of it, its hooks in ~\.claude\settings.json and its data may be left"
    } elseif ($exit -ne 0) {
      Stop-Install "The program itself could not uninstall (exit $exit; the reason stands above), so it stays" "Mend that and run this again, or remove the program alone: Remove-Item '$Program'"
    }
    try {
      if (Test-Path -LiteralPath $Program) { Invoke-Patiently { Remove-Item -LiteralPath $Program -Force } }
    } catch {
      Stop-Install "Could not remove ${Program}: $($_.Exception.Message)" 'End what runs it, and run this again'
    }
    Get-ChildItem -LiteralPath $Folder -Filter "$Product.exe.*old" | Remove-Item -Force -ErrorAction SilentlyContinue
    if (-not (Get-ChildItem -LiteralPath $Folder -Force)) { Remove-Item -LiteralPath $Folder }
    Write-Host "Removed $Program"
  } else {
    Write-Host "There is no $Product in $Folder"
  }
  $folders = @(Get-UserPath)
  if ($folders -contains $Folder) {
    Set-UserPath @($folders | Where-Object { $_ -ne $Folder })
    Write-Host "Took $Folder off your Path"
  }
}

function Invoke-Main([object[]]$Unknown) {
  $ErrorActionPreference = 'Stop'
  # Its bar makes downloads in Windows PowerShell many times slower.
  $ProgressPreference = 'SilentlyContinue'
  try {
    if ($Help) {
      Show-Help
      return 0
    }
    if ($Unknown) { Stop-Install "There is no flag $($Unknown[0])" 'See -Help for those there are' 2 }
    if ($Version -match '[^0-9A-Za-z.+-]') { Stop-Install "'$Version' is no version" 'See -Help' 2 }
    if ($Purge -and -not $Uninstall) { Stop-Install '-Purge belongs to -Uninstall' 'See -Help' 2 }
    if ($Uninstall -and ($Version -or $Service -or $NoModifyPath)) {
      Stop-Install '-Version, -Service and -NoModifyPath say how to install, not how to uninstall' 'See -Help' 2
    }
    if ($env:OS -ne 'Windows_NT') {
      Stop-Install 'This script is for Windows' "On Linux and macOS: curl -fsSL $BaseUrl/latest/download/install.sh | sh"
    }
    if (-not [Environment]::Is64BitOperatingSystem) {
      Stop-Install "There is no $Product for 32-bit Windows" "There is one for $Target; Windows 11 on Arm runs it, too"
    }
    # Windows PowerShell asks for older ones unless it is told.
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    # With it set, the program would be a bare Bun.
    Remove-Item -LiteralPath Env:\BUN_BE_BUN -ErrorAction SilentlyContinue

    $base = $BaseUrl.TrimEnd('/', '\')
    if ($base -match '^file://') {
      $base = ([Uri]$base).LocalPath
    } elseif ($base -notmatch '^https?://') {
      if ($base -match '^[A-Za-z][A-Za-z+.-]+://') {
        Stop-Install "Releases are not loaded from $base, only from http://, https://, file:// and folders" 'See -Help' 2
      }
      $base = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($base)
    }
    if ($base -notmatch '^https?://' -and -not (Test-Path -LiteralPath $base -PathType Container)) {
      Stop-Install "There is no folder $base" "Name the folder that holds $SumsFile with -BaseUrl"
    }
    $folder = $Prefix
    if (-not $folder) {
      if (-not $env:LOCALAPPDATA) { Stop-Install 'LOCALAPPDATA is not set, so there is no place for your programs' 'Name one with -Prefix DIR' }
      $folder = Join-Path $env:LOCALAPPDATA "Programs\$Product"
    }
    $folder = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($folder).TrimEnd('\')
    $program = Join-Path $folder "$Product.exe"
    Assert-Ours $program
    if ($Uninstall) { Uninstall-Product $folder $program } else { Install-Product $folder $program $base }
    return 0
  } catch {
    [Console]::Error.WriteLine("Error: $($_.Exception.Message)")
    $code = $_.Exception.Data['ExitCode']
    if ($code) { return $code }
    [Console]::Error.WriteLine('Nothing half-written is left; mend that, and run this again')
    return 1
  }
}

$code = Invoke-Main $args | Select-Object -Last 1
# In a session of `irm … | iex`, exit would close the window.
if ($PSCommandPath) { exit $code } else { $global:LASTEXITCODE = $code }
